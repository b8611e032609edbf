// Simulated links between peers and the broker: each direction delays and keeps order; a cut loses what was
// in flight both ways, and either end may learn of it late. Messages may also be lost or repeated on the way.

import { controlSession, readSession } from '../../src/protocol/envelope.ts';
import type { BuffersUnderWay } from './buffers-under-way.ts';
import type { Clock, Random } from './clock.ts';
import type { Schedule } from './schedule.ts';

export interface LinkEnd {
  message(data: Uint8Array): void;
  closed(code: number): void;
}

export interface Weather {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Chance that a session's message is lost, or repeated, on one link. */
  readonly loss: number;
  readonly repeat: number;
}

export interface FaultCounts {
  lost: number;
  repeated: number;
  lostInCut: number;
}

/** One link; `broker` and `peer` are told what arrives at their end. */
export class SimulatedLink {
  open = true;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly weather: Weather;
  private readonly faults: FaultCounts;
  private readonly schedule: Schedule;
  private readonly underWay: BuffersUnderWay;
  /** Latest arrival so far in each direction, so that order is kept. */
  private readonly arrival = { broker: 0, peer: 0 };
  readonly ends: { broker?: LinkEnd; peer?: LinkEnd } = {};

  constructor(
    clock: Clock,
    random: Random,
    weather: Weather,
    faults: FaultCounts,
    schedule: Schedule,
    underWay: BuffersUnderWay,
  ) {
    this.schedule = schedule;
    this.underWay = underWay;
    this.clock = clock;
    this.random = random;
    this.weather = weather;
    this.faults = faults;
  }

  send(to: 'broker' | 'peer', data: Uint8Array): void {
    if (!this.open) return;
    const isControl = readSession(data) === controlSession;
    if (!isControl && this.random.chance(this.weather.loss) && this.schedule.take('loss')) {
      this.faults.lost += 1;
      return;
    }
    this.deliver(to, data);
    if (!isControl && this.random.chance(this.weather.repeat) && this.schedule.take('repeat')) {
      this.faults.repeated += 1;
      const late = this.random.next() * 50;
      this.underWay.hold(data);
      this.clock.after(late, () => {
        this.deliver(to, data);
        this.underWay.release(data);
      });
    }
  }

  private deliver(to: 'broker' | 'peer', data: Uint8Array): void {
    const delay = this.weather.delayMs + this.random.next() * this.weather.jitterMs;
    this.arrival[to] = Math.max(this.arrival[to], this.clock.now + delay);
    this.underWay.hold(data);
    this.clock.at(this.arrival[to], () => {
      if (this.open) this.ends[to]?.message(data);
      else this.faults.lostInCut += 1;
      this.underWay.release(data);
    });
  }

  /** Both ends learn of it, each after its own delay. */
  cut(code: number, brokerLearnsMs: number, peerLearnsMs: number): void {
    if (!this.open) return;
    this.open = false;
    this.clock.after(brokerLearnsMs, () => this.ends.broker?.closed(code));
    this.clock.after(peerLearnsMs, () => this.ends.peer?.closed(code));
  }

  /** An orderly close by the broker: what was sent before still arrives. */
  closeByBroker(code: number): void {
    if (!this.open) return;
    const at = this.arrival.peer;
    this.clock.at(Math.max(at, this.clock.now), () => this.cut(code, 0, this.weather.delayMs));
  }
}
