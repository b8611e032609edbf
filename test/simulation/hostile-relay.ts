// Two session cores and, between them, a relay that a script commands: it delivers, drops, repeats, reorders and
// holds back whole messages, forges others, and moves the clock. Whoever writes the script, bytes that arrive must
// be those that were written, in order, unless the relay forged some.

import { FairleadError } from '../../src/protocol/errors.ts';
import { headroomBytes } from '../../src/protocol/frame.ts';
import type { SessionLimits } from '../../src/protocol/limits.ts';
import { MemoryBudget } from '../../src/protocol/memory-budget.ts';
import { returnSegment as giveBack } from '../../src/protocol/segment-pool.ts';
import {
  type OpenRequest,
  type PathLimits,
  type Role,
  Session,
  type SessionHost,
} from '../../src/protocol/session.ts';
import type { Stream, StreamHandler } from '../../src/protocol/stream.ts';
import { forgedAbout, forgedBytes, forgedFrame } from './forgery.ts';
import { Script, type Temper } from './script.ts';

const sessionId = 0xffn;
/** What brokers advertise; which of them, the first byte of a script says. */
const paths: readonly [PathLimits, ...PathLimits[]] = [
  { maxMessageBytes: 65_536, inFlightBytes: 1_048_576, messagesAreDear: false },
  { maxMessageBytes: 65_536, inFlightBytes: 1_048_576, messagesAreDear: false },
  { maxMessageBytes: 16_384, inFlightBytes: 65_536, messagesAreDear: false },
  { maxMessageBytes: 266_240, inFlightBytes: 4_194_304, messagesAreDear: true },
  { maxMessageBytes: 65_536, inFlightBytes: 262_144, messagesAreDear: false, packBulk: true },
];
const usual: Partial<SessionLimits> = {
  maxStreams: 12,
  maxBufferedBytes: 1_048_576,
  maxGrowthBytes: 1_048_576,
  resumeWindowMs: 60_000,
};
/** Limits so tight that an honest peer meets them; the second byte says which. */
const tight: readonly Partial<SessionLimits>[] = [
  { maxStreams: 2 },
  { maxBufferedBytes: 30_000 },
  { maxOpensPerSecond: 2 },
  { maxResetsPerSecond: 2 },
  { maxControlFramesPerSecond: 40 },
  { resumeWindowMs: 3000, pingIntervalMs: 500 },
  { highWaterBytes: 20_000 },
];
/** Messages that the relay holds back at most; more are lost. */
const mostHeld = 64;
const mostWrittenBytes = 200_000;

/** Not a power of two, so that a slip by one block shows. */
const patternBytes = 65_521;
const pattern = Buffer.alloc(patternBytes + mostWrittenBytes);
for (let i = 0; i < pattern.length; i += 1)
  pattern[i] = Math.imul((i % patternBytes) + 1, 2_654_435_761) >>> 13;

/** Where in the pattern the bytes of one direction from `offset` on are: `key` tells directions and streams apart. */
function patternAt(key: number, offset: number): number {
  return (key * 7919 + offset) % patternBytes;
}

export interface RelayCounts {
  delivered: number;
  dropped: number;
  repeated: number;
  reordered: number;
  forged: number;
  cuts: number;
  /** Buffers given back. */
  retired: number;
  /** Streams whose both sides closed cleanly, with every byte. */
  exact: number;
  /** Refused by the session's own rules before a frame went out. */
  notOpened: number;
  /** Sides of streams that ended in an error or a reset. */
  failed: number;
  bytes: number;
}

/** One side of one stream. */
class Side implements StreamHandler {
  stream: Stream | undefined;
  readonly key: number;
  readonly peerKey: number;
  written = 0;
  /** Offset after the last byte, once this side has half-closed. */
  final: number | undefined;
  received = 0;
  unread = 0;
  reads = true;
  state: 'running' | 'clean' | 'failed' = 'running';
  private readonly relay: HostileRelay;
  private readonly peer: () => Side | undefined;

  constructor(relay: HostileRelay, key: number, peerKey: number, peer: () => Side | undefined) {
    this.relay = relay;
    this.key = key;
    this.peerKey = peerKey;
    this.peer = peer;
  }

  write(bytes: number): void {
    const { stream } = this;
    if (stream === undefined || this.final !== undefined || this.state !== 'running') return;
    const from = patternAt(this.key, this.written);
    const chunk = pattern.subarray(from, from + Math.min(bytes, mostWrittenBytes - this.written));
    this.written += chunk.length;
    if (chunk.length % 3 === 0 && chunk.length > 0 && chunk.length <= 65_536) {
      const segment = new Uint8Array(headroomBytes + chunk.length);
      segment.set(chunk, headroomBytes);
      stream.writeSegment(segment, chunk.length);
    } else stream.write(chunk);
  }

  finish(): void {
    if (this.stream === undefined || this.final !== undefined || this.state !== 'running') return;
    this.final = this.written;
    this.stream.end();
  }

  reset(): void {
    if (this.stream === undefined || this.state !== 'running') return;
    this.state = 'failed';
    this.stream.reset('ERR_ABORTED', 'as the script says');
  }

  read(): void {
    this.readSome(this.unread);
  }

  readSome(bytes: number): void {
    this.unread -= bytes;
    this.stream?.consumed(bytes);
  }

  data(chunk: Uint8Array): void {
    if (this.state !== 'running') this.relay.violate('data after the end');
    const from = patternAt(this.peerKey, this.received);
    if (
      chunk.length > mostWrittenBytes ||
      pattern.compare(chunk, 0, chunk.length, from, from + chunk.length) !== 0
    )
      this.relay.violateUnlessForged(`wrong bytes at or after ${this.received}`);
    this.received += chunk.length;
    this.relay.counts.bytes += chunk.length;
    this.unread += chunk.length;
    if (this.reads) this.read();
  }

  end(): void {
    if (this.received !== this.peer()?.final)
      this.relay.violateUnlessForged(`an end after ${this.received} bytes`);
  }

  writable(): void {}

  closed(error: FairleadError | undefined): void {
    if (this.state !== 'running') this.relay.violate(`closed although ${this.state}`);
    this.state = error === undefined ? 'clean' : 'failed';
    if (error !== undefined && !(error instanceof FairleadError))
      this.relay.violate(`an error without a code: ${error}`);
    if (error === undefined && (this.received !== this.peer()?.final || this.final === undefined))
      this.relay.violateUnlessForged('a clean close before the end');
  }
}

class End implements SessionHost {
  readonly session: Session;
  readonly role: Role;
  /** By the order in which the dialer opened them; the agent's may lack some. */
  readonly sides: (Side | undefined)[] = [];
  wake = Number.POSITIVE_INFINITY;
  over = false;
  private readonly relay: HostileRelay;

  constructor(relay: HostileRelay, role: Role, limits: Partial<SessionLimits>, sealed: boolean) {
    this.relay = relay;
    this.role = role;
    // Not every agent takes encrypted streams.
    if (sealed) this.openedSealed = (stream) => stream.reset('ERR_E2E', 'as the script says');
    this.session = new Session(role, sessionId, this, limits);
  }
  openedSealed?: (stream: Stream, version: number) => void;
  retired(bytes: Uint8Array): void {
    this.relay.counts.retired += 1;
    giveBack(bytes);
  }
  now(): number {
    return this.relay.nowMs;
  }
  outputReady(): void {}
  wakeAt(atMs: number): void {
    this.wake = Math.min(this.wake, atMs);
  }
  opened(stream: Stream, request: OpenRequest): void {
    this.relay.opened(stream, request);
  }
  closed(error: FairleadError): void {
    if (this.over) this.relay.violate('a session closed twice');
    if (!(error instanceof FairleadError)) this.relay.violate(`an error without a code: ${error}`);
    this.over = true;
  }
}

export class HostileRelay {
  nowMs = 0;
  readonly counts: RelayCounts = {
    delivered: 0,
    dropped: 0,
    repeated: 0,
    reordered: 0,
    forged: 0,
    cuts: 0,
    retired: 0,
    exact: 0,
    notOpened: 0,
    failed: 0,
    bytes: 0,
  };
  private readonly dialer: End;
  private readonly agent: End;
  private readonly path: PathLimits;
  /** What is on its way to each. */
  private readonly held = { dialer: [] as Uint8Array[], agent: [] as Uint8Array[] };
  private readonly accepts: Stream[] = [];
  private dialled = 0;

  private readonly temper: Temper;
  private readonly ignored: StreamHandler = { data() {}, end() {}, writable() {}, closed() {} };

  /** `pathChoice` says what the links carry, `limitChoice` which limits are tight, and at whose end. */
  constructor(temper: Temper, pathChoice = 0, limitChoice = 255) {
    this.temper = temper;
    this.path = paths[pathChoice % paths.length] ?? paths[0];
    const isTight = temper !== 'calm' && limitChoice < 128;
    const some = isTight ? { ...usual, ...tight[limitChoice % tight.length] } : usual;
    const shared = temper !== 'calm' && limitChoice > 220 ? { memory: new MemoryBudget(600_000) } : {};
    const atAgent = (limitChoice & 64) === 0;
    this.dialer = new End(this, 'dialer', { ...(atAgent ? usual : some), ...shared }, false);
    this.agent = new End(this, 'agent', { ...(atAgent ? some : usual), ...shared }, limitChoice % 2 === 0);
    this.dialer.session.linkUp(this.path);
    this.agent.session.linkUp(this.path);
  }

  /** Obeys the steps (script.ts), whose first says what the links carry. @throws on a violation */
  static obey(temper: Temper, steps: readonly Uint8Array[]): HostileRelay {
    const [first = Uint8Array.of(), ...rest] = steps;
    const relay = new HostileRelay(temper, first[0], first[1]);
    for (const step of rest) relay.step(new Script(step));
    relay.finish();
    return relay;
  }

  violate(what: string): never {
    throw new Error(`at ${this.nowMs} ms: ${what}`);
  }

  violateUnlessForged(what: string): void {
    if (this.counts.forged === 0) this.violate(what);
  }

  opened(stream: Stream, { port }: OpenRequest): void {
    const index = port - 1;
    const isForged = this.dialer.sides[index] === undefined || this.agent.sides[index] !== undefined;
    if (isForged) this.violateUnlessForged(`stream ${port} was dialled without or twice`);
    const at = isForged ? 1000 + this.dialled : index;
    this.dialled += 1;
    const side = new Side(this, at * 2 + 1, at * 2, () => this.dialer.sides[at]);
    side.stream = stream;
    stream.handler = side;
    if (!isForged) this.agent.sides[index] = side;
    this.accepts.push(stream);
  }

  /** Obeys the script to its end, then lets through what is left and looks at every stream. @throws on a violation */
  run(script: Uint8Array): void {
    const read = new Script(script);
    while (read.left > 0) this.step(read);
    this.finish();
  }

  private step(read: Script): void {
    const op = read.byte() % 24;
    const end = read.byte() % 2 === 0 ? this.dialer : this.agent;
    const queue = this.held[end.role];
    if (op === 0) this.open();
    else if (op === 1) this.sideOf(end, read)?.write(read.byte() * read.byte());
    else if (op === 2) this.sideOf(end, read)?.finish();
    else if (op === 3) this.sideOf(end, read)?.reset();
    else if (op === 4) this.pullAll();
    else if (op === 5) this.deliver(end, read.byte());
    else if (op === 6) this.counts.dropped += queue.splice(read.byte() % (queue.length + 1), 1).length;
    else if (op === 7) this.repeat(end, read.byte());
    else if (op === 8) this.pass(read.byte() * read.byte());
    else if (op === 9) end.session.linkDown();
    else if (op === 10) end.session.linkUp(this.temper === 'calm' ? this.path : read.pick(paths));
    else if (op === 11) this.forge(end, forgedBytes(sessionId, read));
    else if (op === 12) this.forge(end, forgedFrame(sessionId, read));
    else if (op === 13) this.toggleReading(this.sideOf(end, read));
    else if (op === 14) end.session.budget(65_536 * (1 + read.byte()));
    else if (op === 15) this.acceptNext();
    else if (op === 16) this.settle();
    else if (op === 17) this.cut();
    else if (op === 18) this.forge(end, forgedAbout(sessionId, this.peerOf(end, read), read));
    else if (op === 19 && read.byte() < 32) end.session.goAway('ERR_DRAINING', 'as the script says');
    else if (op === 20) this.askForLife(end);
    else if (op === 21 && read.byte() < 8) end.session.close('ERR_ABORTED', 'as the script says');
    else if (op === 22 && this.temper !== 'calm') this.openSealed();
    else if (op === 23) this.abuse(this.sideOf(end, read), read);
    this.checkBounds();
  }

  private open(): void {
    const { session, sides } = this.dialer;
    if (sides.length >= 60) return;
    const index = sides.length;
    const side = new Side(this, index * 2, index * 2 + 1, () => this.agent.sides[index]);
    try {
      side.stream = session.open({ host: 'target', port: index + 1 }, side);
      sides.push(side);
    } catch (error) {
      if (!(error instanceof FairleadError) || error.code === 'ERR_PROTOCOL') throw error;
      this.counts.notOpened += 1;
    }
  }

  /** One whose target is named inside; the agent refuses it in one way or another. */
  private openSealed(): void {
    if (this.dialer.session.takesStreams && this.dialer.session.streamCount < 2)
      this.dialer.session.open({ e2e: 1 }, this.ignored);
  }

  private askForLife(end: End): void {
    end.session.ping();
    if (end.role === 'dialer') return;
    try {
      end.session.open({ host: 'target', port: 1 }, this.ignored);
    } catch (error) {
      if (error instanceof FairleadError && error.code === 'ERR_PROTOCOL') return;
    }
    this.violate('an agent opened a stream');
  }

  /** What a user may do wrong, and must do no harm: the sides' own books stay as they were. */
  private abuse(side: Side | undefined, read: Script): void {
    const stream = side?.stream;
    if (side === undefined || stream === undefined) return;
    const kind = read.byte() % 4;
    if (kind === 0 && side.final !== undefined) stream.write(pattern.subarray(0, 10));
    else if (kind === 1 && side.final !== undefined) stream.end();
    else if (kind === 2 && side.state !== 'running') stream.reset('ERR_ABORTED', 'again');
    else if (kind === 3 && side.unread > 0) side.readSome(1 + (read.byte() % side.unread));
    if (side.final !== undefined) stream.writeSegment(new Uint8Array(40), 8);
    stream.consumed(0);
    if (this.dialer.over) stream.consumed(1);
  }

  /** The path is gone with all that was on it, and comes back. */
  private cut(): void {
    // An ACCEPT that is lost takes asking for: the dialer may take no data before.
    const isOpening = this.dialer.sides.some((side) => side?.stream?.state === 'opening');
    if (this.temper === 'calm' && isOpening) return;
    this.counts.cuts += 1;
    this.counts.dropped += this.held.agent.length + this.held.dialer.length;
    this.held.agent.length = this.held.dialer.length = 0;
    for (const { session } of [this.dialer, this.agent]) session.linkDown();
    for (const { session } of [this.dialer, this.agent]) session.linkUp(this.path);
  }

  private sideOf(end: End, read: Script): Side | undefined {
    return end.sides[read.byte() % Math.max(1, end.sides.length)];
  }

  /** The stream that an end may be told lies about. */
  private peerOf(end: End, read: Script): Stream | undefined {
    return this.sideOf(end === this.dialer ? this.agent : this.dialer, read)?.stream;
  }

  private toggleReading(side: Side | undefined): void {
    if (side === undefined) return;
    side.reads = !side.reads;
    if (side.reads) side.read();
  }

  private acceptNext(): void {
    this.accepts.shift()?.accept({ address: '127.0.0.1', port: 80, family: 'IPv4' });
  }

  private pullAll(): void {
    for (const [from, queue] of [
      [this.dialer, this.held.agent],
      [this.agent, this.held.dialer],
    ] as const) {
      let messages = 0;
      for (let out = from.session.pull(); out !== undefined; out = from.session.pull()) {
        messages += 1;
        if (messages > 10_000) this.violate('a session that never stops talking');
        // The session may use its buffers again once they were pulled and acknowledged.
        if (queue.length < mostHeld || this.temper === 'calm') queue.push(out.slice());
        else this.counts.dropped += 1;
      }
    }
  }

  private deliver(end: End, choice: number): void {
    const queue = this.held[end.role];
    const at = this.temper === 'calm' ? 0 : choice % Math.max(1, queue.length);
    const [message] = queue.splice(at, 1);
    if (message === undefined) return;
    this.counts.delivered += 1;
    if (at > 0) this.counts.reordered += 1;
    end.session.receive(message);
  }

  private repeat(end: End, choice: number): void {
    const queue = this.held[end.role];
    const message = queue[choice % Math.max(1, queue.length)];
    if (message === undefined) return;
    this.counts.repeated += 1;
    end.session.receive(message.slice());
  }

  private forge(end: End, message: Uint8Array | undefined): void {
    if (this.temper !== 'forging' || message === undefined) return;
    this.counts.forged += 1;
    end.session.receive(message);
  }

  private pass(ms: number): void {
    this.nowMs += ms;
    for (const end of [this.dialer, this.agent]) {
      if (end.wake > this.nowMs) continue;
      end.wake = Number.POSITIVE_INFINITY;
      end.session.advance();
    }
  }

  /** All that is on its way, in order, until both are silent. */
  private settle(): void {
    for (let rounds = 0; ; rounds += 1) {
      this.pullAll();
      if (this.held.agent.length + this.held.dialer.length === 0) return;
      if (rounds > 2000) this.violate('two sessions that never come to rest');
      while (this.held.agent.length > 0) this.deliver(this.agent, 0);
      while (this.held.dialer.length > 0) this.deliver(this.dialer, 0);
    }
  }

  private checkBounds(): void {
    for (const { session, over } of [this.dialer, this.agent]) {
      const { bufferedBytes, grownBytes, inFlightBytes, streamCount } = session;
      if (bufferedBytes < 0 || bufferedBytes > 1_048_576) this.violate(`${bufferedBytes} bytes buffered`);
      if (grownBytes < 0 || grownBytes > 1_048_576) this.violate(`windows grown by ${grownBytes}`);
      if (inFlightBytes < 0 || inFlightBytes > 12 * mostWrittenBytes)
        this.violate(`${inFlightBytes} bytes in flight`);
      if (session.idle && streamCount > 0) this.violate('idle with streams');
      if (streamCount > 12 || (over && streamCount > 0)) this.violate(`${streamCount} streams`);
    }
  }

  private get isOver(): boolean {
    return (
      [this.dialer, this.agent].every(({ session }) => session.streamCount === 0) && this.accepts.length === 0
    );
  }

  /** The relay is honest from here on: whatever was begun comes to its end, clean or with an error. */
  private finish(): void {
    for (const end of [this.dialer, this.agent]) {
      end.session.linkDown();
      end.session.linkUp(this.path);
      for (const side of end.sides) {
        if (side === undefined) continue;
        side.reads = true;
        side.read();
      }
    }
    for (let round = 0; round < 60 && !this.isOver; round += 1) {
      while (this.accepts.length > 0) this.acceptNext();
      for (const { sides } of [this.dialer, this.agent]) for (const side of sides) side?.finish();
      this.settle();
      this.checkBounds();
      this.pass(2000);
    }
    for (const { session } of [this.dialer, this.agent]) {
      if (session.streamCount > 0) this.violateUnlessForged('a stream was left over');
      // What tells a sender that goes back at once, when its link is new, from one that waits to be asked.
      if (this.temper === 'calm' && session.counters.gaps > 0)
        this.violate('a gap although nothing was lost but with a link');
    }
    this.dialer.sides.forEach((side, index) => {
      const states = [side?.state, this.agent.sides[index]?.state];
      if (states.includes('running')) this.violateUnlessForged(`stream ${index + 1} never ended`);
      this.counts.failed += states.filter((state) => state === 'failed').length;
      if (states.every((state) => state === 'clean')) this.counts.exact += 1;
    });
  }
}
