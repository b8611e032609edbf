// Two sessions joined by a wire that the test controls, under a clock that the test moves.

import type { FairleadError } from '../../src/protocol/errors.ts';
import type { SessionLimits } from '../../src/protocol/limits.ts';
import {
  type OpenRequest,
  type PathLimits,
  type Role,
  Session,
  type SessionHost,
} from '../../src/protocol/session.ts';
import type { Stream, StreamHandler } from '../../src/protocol/stream.ts';

export const sessionId = 0x0123456789abcdefn;
const path: PathLimits = {
  maxMessageBytes: 262_144,
  inFlightBytes: 16_777_216,
  messagesAreDear: false,
};

/** Keeps what one side of a stream was told. */
export class Recorder implements StreamHandler {
  readonly chunks: Buffer[] = [];
  readonly events: string[] = [];
  error: FairleadError | undefined;
  stream: Stream | undefined;
  /** Whether bytes are consumed as they come. */
  reads = true;

  accepted(): void {
    this.events.push('accepted');
  }
  data(chunk: Uint8Array): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.reads) this.stream?.consumed(chunk.length);
  }
  end(): void {
    this.events.push('end');
  }
  writable(): void {
    this.events.push('writable');
  }
  closed(error: FairleadError | undefined): void {
    this.error = error;
    this.events.push(error === undefined ? 'closed' : error.code);
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
}

export class End implements SessionHost {
  readonly session: Session;
  readonly opened_: { recorder: Recorder; request: OpenRequest }[] = [];
  wake = Number.POSITIVE_INFINITY;
  error: FairleadError | undefined;
  goneAway = false;
  /** Accept streams as they are opened. */
  accepts = true;
  private readonly clock: { now: number };

  constructor(role: Role, clock: { now: number }, limits: Partial<SessionLimits>) {
    this.clock = clock;
    this.session = new Session(role, sessionId, this, limits);
  }
  now(): number {
    return this.clock.now;
  }
  outputReady(): void {}
  wakeAt(atMs: number): void {
    this.wake = Math.min(this.wake, atMs);
  }
  opened(stream: Stream, request: OpenRequest): void {
    const recorder = new Recorder();
    recorder.stream = stream;
    stream.handler = recorder;
    this.opened_.push({ recorder, request });
    if (this.accepts) stream.accept({ address: '127.0.0.1', port: request.port, family: 'IPv4' });
  }
  goingAway(): void {
    this.goneAway = true;
  }
  closed(error: FairleadError): void {
    this.error = error;
  }
  /** The nth stream that the peer opened here. */
  target(n = 0): Recorder {
    const entry = this.opened_[n];
    if (entry === undefined) throw new Error(`no stream ${n} was opened`);
    return entry.recorder;
  }
}

export class Pair {
  readonly clock = { now: 0 };
  readonly dialer: End;
  readonly agent: End;
  /** Every message that was carried, for tests that look at the wire. */
  readonly carried: { from: Role; message: Uint8Array }[] = [];
  /** Return false to lose a message. */
  carry: (from: Role, message: Uint8Array) => boolean = () => true;

  constructor(limits: Partial<SessionLimits> = {}, agentLimits: Partial<SessionLimits> = limits) {
    this.dialer = new End('dialer', this.clock, limits);
    this.agent = new End('agent', this.clock, agentLimits);
    this.dialer.session.linkUp(path);
    this.agent.session.linkUp(path);
  }

  open(request: OpenRequest = { host: 'target', port: 80 }): { stream: Stream; recorder: Recorder } {
    const recorder = new Recorder();
    const stream = this.dialer.session.open(request, recorder);
    recorder.stream = stream;
    return { stream, recorder };
  }

  /** Carries messages both ways until neither side has any. */
  settle(): void {
    for (let idle = 0; idle < 2; ) {
      idle = this.step('dialer') ? 0 : idle + 1;
      idle = this.step('agent') ? 0 : idle + 1;
    }
  }

  private step(from: Role): boolean {
    const [sender, receiver] = from === 'dialer' ? [this.dialer, this.agent] : [this.agent, this.dialer];
    const message = sender.session.pull();
    if (message === undefined) return false;
    this.carried.push({ from, message });
    if (this.carry(from, message)) receiver.session.receive(message);
    return true;
  }

  /** Moves the clock, waking both sides when they asked for it, carrying what they say. */
  pass(ms: number): void {
    const until = this.clock.now + ms;
    for (;;) {
      this.settle();
      const next = Math.min(this.dialer.wake, this.agent.wake);
      if (next > until) break;
      this.clock.now = Math.max(this.clock.now, next);
      for (const end of [this.dialer, this.agent]) {
        if (end.wake <= this.clock.now) {
          end.wake = Number.POSITIVE_INFINITY;
          end.session.advance();
        }
      }
    }
    this.clock.now = until;
  }

  /** Both links lost and back, with everything in flight gone. */
  relink(): void {
    for (const end of [this.dialer, this.agent]) {
      end.session.linkDown();
      end.session.linkUp(path);
    }
  }
}
