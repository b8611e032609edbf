// Two session cores and, between them, a relay that a script commands: it delivers, drops, repeats, reorders and
// holds back whole messages, forges others, and moves the clock. Whoever writes the script, bytes that arrive must
// be those that were written, in order, unless the relay forged some.

import { writeSession } from '../../src/protocol/envelope.ts';
import { FairleadError } from '../../src/protocol/errors.ts';
import { writeFrameHeader } from '../../src/protocol/frame.ts';
import type { SessionLimits } from '../../src/protocol/limits.ts';
import { type OpenRequest, type Role, Session, type SessionHost } from '../../src/protocol/session.ts';
import type { Stream, StreamHandler } from '../../src/protocol/stream.ts';

const sessionId = 0xffn;
const path = { maxMessageBytes: 65_536, inFlightBytes: 1_048_576, messagesAreDear: false };
const limits: Partial<SessionLimits> = {
  maxStreams: 12,
  maxBufferedBytes: 1_048_576,
  maxGrowthBytes: 1_048_576,
  resumeWindowMs: 60_000,
};
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
  /** Streams whose both sides closed cleanly, with every byte. */
  exact: number;
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
    stream.write(chunk);
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
    const { unread } = this;
    this.unread = 0;
    this.stream?.consumed(unread);
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

  constructor(relay: HostileRelay, role: Role) {
    this.relay = relay;
    this.role = role;
    this.session = new Session(role, sessionId, this, limits);
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
    exact: 0,
    failed: 0,
    bytes: 0,
  };
  private readonly dialer = new End(this, 'dialer');
  private readonly agent = new End(this, 'agent');
  /** What is on its way to each. */
  private readonly held = { dialer: [] as Uint8Array[], agent: [] as Uint8Array[] };
  private readonly accepts: Stream[] = [];
  private dialled = 0;

  private readonly mayForge: boolean;

  /** `mayForge`: where it is false, steps that would make messages up do nothing. */
  constructor(mayForge: boolean) {
    this.mayForge = mayForge;
    this.dialer.session.linkUp(path);
    this.agent.session.linkUp(path);
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
    const op = read.byte() % 17;
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
    else if (op === 10) end.session.linkUp(path);
    else if (op === 11) this.forge(end, read.bytes(read.byte()));
    else if (op === 12) this.forgeFrame(end, read);
    else if (op === 13) this.toggleReading(this.sideOf(end, read));
    else if (op === 14) end.session.budget(65_536 * (1 + read.byte()));
    else if (op === 15) this.acceptNext();
    else this.settle();
    this.checkBounds();
  }

  private open(): void {
    const { session, sides } = this.dialer;
    if (this.dialer.over || !session.takesStreams || session.streamCount >= 10 || sides.length >= 60) return;
    const index = sides.length;
    const side = new Side(this, index * 2, index * 2 + 1, () => this.agent.sides[index]);
    sides.push(side);
    side.stream = session.open({ host: 'target', port: index + 1 }, side);
  }

  private sideOf(end: End, read: Script): Side | undefined {
    return end.sides[read.byte() % Math.max(1, end.sides.length)];
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
        if (queue.length < mostHeld) queue.push(out.slice());
        else this.counts.dropped += 1;
      }
    }
  }

  private deliver(end: End, choice: number): void {
    const queue = this.held[end.role];
    const at = choice % Math.max(1, queue.length);
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

  private forge(end: End, body: Uint8Array): void {
    if (!this.mayForge) return;
    const message = new Uint8Array(8 + body.length);
    writeSession(message, sessionId);
    message.set(body, 8);
    this.counts.forged += 1;
    end.session.receive(message);
  }

  private forgeFrame(end: End, read: Script): void {
    const type = read.byte() % 12;
    const stream = read.byte() % 8;
    const arguments_ = [0, 1, read.byte(), read.byte() * 1024, 262_144, 2 ** 30, 2 ** 53 - 1];
    const argument = arguments_[read.byte() % arguments_.length] ?? 0;
    const payload = read.bytes(read.byte());
    const body = new Uint8Array(16 + payload.length);
    writeFrameHeader(body, 0, type, payload.length, stream, argument);
    body.set(payload, 16);
    this.forge(end, body);
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
      end.session.linkUp(path);
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
    this.dialer.sides.forEach((side, index) => {
      const states = [side?.state, this.agent.sides[index]?.state];
      if (states.includes('running')) this.violateUnlessForged(`stream ${index + 1} never ended`);
      this.counts.failed += states.filter((state) => state === 'failed').length;
      if (states.every((state) => state === 'clean')) this.counts.exact += 1;
    });
  }
}

/** A script's bytes, zeros once they are used up. */
class Script {
  private readonly script: Uint8Array;
  private at = 0;

  constructor(script: Uint8Array) {
    this.script = script;
  }
  get left(): number {
    return this.script.length - this.at;
  }
  byte(): number {
    const byte = this.script[this.at] ?? 0;
    this.at += 1;
    return byte;
  }
  bytes(length: number): Uint8Array {
    const bytes = this.script.slice(this.at, this.at + length);
    this.at += length;
    return bytes;
  }
}
