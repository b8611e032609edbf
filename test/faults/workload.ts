// The near end of the workload, a program of its own: `workload PORT STREAMS` keeps so many streams busy, a third each
// down, up and echoes, checks every byte and notes how long each stood still. Lines on stdin: `mark` forgets the
// standstills so far, `lifted` says that the fault is over, `rest` and `work` stop and go on writing, `report` answers, `finish` half-closes all and answers once every stream has come to its end.

import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Kind, Reception } from './reception.ts';
import { paceMs, writePiece } from './target.ts';

export interface WorkloadReport {
  readonly streams: number;
  readonly bytes: number;
  /** Streams that ended before they should have, and were opened anew. */
  readonly broken: number;
  /** What must never be: wrong bytes, an early end, counts that differ. */
  readonly wrong: readonly string[];
  /** Longest standstill of any stream, and of the one in the middle, in ms. */
  readonly worstStandstillMs: number;
  readonly medianStandstillMs: number;
  /** Streams on which something came since `lifted` was said, or `mark`. */
  readonly moved: number;
  /** From then until something came on the first of them, in ms; undefined until it has. */
  readonly firstMovedMs: number | undefined;
}

let bytes = 0;
let broken = 0;
let finishing = false;
let resting = false;
let liftedMs = 0;
let firstMovedMs: number | undefined;
const wrong: string[] = [];

class BusyStream {
  standstillMs = 0;
  ended = false;
  lastMs = performance.now();
  private sent = 0;
  private readonly kind: Kind;
  private readonly port: number;
  private socket: Socket;

  constructor(kind: Kind, port: number) {
    this.kind = kind;
    this.port = port;
    this.socket = this.open();
  }

  write(): void {
    const { socket } = this;
    if (socket.connecting || socket.destroyed || finishing || resting || this.kind === 'd') return;
    this.sent += writePiece(socket, this.sent);
  }

  finish(): void {
    this.socket.end();
  }

  moved(): void {
    const now = performance.now();
    this.standstillMs = Math.max(this.standstillMs, now - this.lastMs);
    this.lastMs = now;
    firstMovedMs ??= Math.round(now - liftedMs);
  }

  private open(): Socket {
    this.sent = 0;
    const reception = new Reception(this.kind);
    const socket = connect({ host: '127.0.0.1', port: this.port, allowHalfOpen: true, noDelay: true });
    let clean = false;
    let connected = false;
    socket.on('connect', () => {
      connected = true;
    });
    socket.on('error', () => {});
    socket.write(this.kind);
    socket.on('data', (chunk) => {
      this.moved();
      bytes += chunk.length;
      this.check(() => reception.push(chunk));
    });
    socket.on('end', () => {
      if (!finishing) {
        // The dialer died with nothing unread: its machine says FIN, not RST.
        socket.destroy();
        return;
      }
      clean = true;
      this.check(() => reception.end(this.sent));
      this.ended = true;
      this.moved();
    });
    socket.on('close', () => {
      if (clean || this.ended) return;
      if (connected) broken += 1;
      if (finishing) {
        this.ended = true;
        return;
      }
      setTimeout(() => {
        this.socket = this.open();
      }, 100);
    });
    return socket;
  }

  private check(step: () => void): void {
    try {
      step();
    } catch (error) {
      wrong.push(`${this.kind}: ${error instanceof Error ? error.message : error}`);
      this.socket.destroy();
    }
  }
}

const [port = 0, count = 64] = process.argv.slice(2).map(Number);
const streams = Array.from(
  { length: count },
  (_, n) => new BusyStream((['d', 'u', 'e'] as const)[n % 3] ?? 'e', port),
);
setInterval(() => {
  for (const stream of streams) stream.write();
}, paceMs);

function lift(): void {
  liftedMs = performance.now();
  firstMovedMs = undefined;
}

function report(): void {
  const now = performance.now();
  const still = streams
    .map((stream) => Math.max(stream.standstillMs, stream.ended ? 0 : now - stream.lastMs))
    .sort((a, b) => a - b);
  const answer: WorkloadReport = {
    streams: count,
    bytes,
    broken,
    wrong,
    worstStandstillMs: Math.round(still.at(-1) ?? 0),
    medianStandstillMs: Math.round(still[still.length >> 1] ?? 0),
    firstMovedMs,
    moved: streams.filter(({ lastMs }) => lastMs > liftedMs).length,
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'mark') {
      lift();
      for (const stream of streams) stream.standstillMs = 0;
      report();
    } else if (line === 'lifted') {
      lift();
      report();
    } else if (line === 'rest' || line === 'work') {
      // Only echoes rest wholly; what comes down does so at the target's pace.
      resting = line === 'rest';
      report();
    } else if (line === 'report') report();
    else if (line === 'finish') {
      finishing = true;
      for (const stream of streams) stream.finish();
      const waiting = setInterval(() => {
        if (!streams.every(({ ended }) => ended)) return;
        clearInterval(waiting);
        report();
      }, 20);
    }
  })
  .on('close', () => process.exit());
