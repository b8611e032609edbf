// `fairlead ping`: asks a node's agent for a sign of life again and again, and says how long each share of the way takes.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { connect, FairleadError, type RoundTrip } from '../client/index.ts';
import { printable } from '../files/printable.ts';
import { parseNode } from './address.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { parseCount, parseFraction } from './duration.ts';
import { exitCodes } from './failure.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { formatMs, formatSummary, PingStatistics } from './ping-statistics.ts';
import { print } from './print.ts';
import { firstSignal } from './signals.ts';

interface PingOptions extends BrokerOptions, LogOptions {
  readonly count?: number;
  /** Both in seconds. */
  readonly interval: number;
  readonly timeout: number;
  readonly json?: boolean;
}

/** What the next ping would be told, too. */
const lastWords = new Set(['ERR_UNAUTHORIZED', 'ERR_FORBIDDEN', 'ERR_CONFIG', 'ERR_CLOSED']);

export function addPingCommand(program: Command): void {
  const command = program
    .command('ping')
    .description(
      "Measures the way to a node's agent and back, split at the broker, until it is stopped or has sent --count.",
    )
    .argument('<node>', 'whose agent answers', parseNode)
    .addOption(
      new Option('-c, --count <number>', 'how many to send; default: until stopped').argParser(parseCount),
    )
    .addOption(
      new Option('-i, --interval <seconds>', 'between one and the next, at least 0.1')
        .argParser((text) => parseFraction(text, 0.1))
        .default(1),
    )
    .addOption(
      new Option('-W, --timeout <seconds>', 'how long an answer may take')
        .argParser((text) => parseFraction(text, 0.1))
        .default(5),
    )
    .option('--json', 'print a JSON object per ping, and one with the summary')
    .addHelpText(
      'after',
      [
        '',
        'Asks the agent itself, so it works whatever the agent allows. An agent that is away is a loss.',
        'Jitter is the mean difference between one answer and the next. Exits 0 if any was answered.',
        '',
        'Examples:',
        '  fairlead ping --broker wss://broker.example.com --token-file me.token edge-1',
        '  fairlead ping -c 10 -i 0.2 edge-1',
        "  fairlead ping -c 3 --json edge-1 | jq 'select(.summary).summary.loss'",
      ].join('\n'),
    );
  addBrokerOptions(command);
  addLogOption(command, 'warn').action(ping);
}

async function ping(node: string, options: PingOptions): Promise<void> {
  const log = await createLog(options);
  const { count = Number.POSITIVE_INFINITY, interval, timeout, json = false } = options;
  const access = await brokerAccess(options, log);
  // The link is kept from one ping to the next.
  const client = connect({ ...access, idleLinkMs: Math.max(30_000, interval * 2000) });
  const stop = new AbortController();
  void firstSignal().then(() => stop.abort());
  const statistics = new PingStatistics();
  const sinceMs = performance.now();
  let isHopeless = false;
  if (!json) print(`ping ${node} through ${access.url}\n`);
  try {
    while (statistics.sent < count && !isHopeless) {
      const nextMs = performance.now() + interval * 1000;
      statistics.sent += 1;
      const { sent } = statistics;
      try {
        const trip = await client.ping(node, { timeoutMs: timeout * 1000, signal: stop.signal });
        statistics.add(trip);
        print(json ? `${JSON.stringify({ seq: sent, ...trip })}\n` : answerLine(node, sent, trip));
      } catch (error) {
        if (stop.signal.aborted) {
          // Nobody waited for it, so nobody knows whether it was lost.
          statistics.sent -= 1;
          break;
        }
        if (!(error instanceof FairleadError)) throw error;
        isHopeless = lastWords.has(error.code);
        if (isHopeless && statistics.answered === 0) throw error;
        print(
          json
            ? `${JSON.stringify({ seq: sent, error: { code: error.code, message: error.message } })}\n`
            : `${node}: seq=${sent} no answer: ${printable(error.message, 512)} (${error.code})\n`,
        );
      }
      if (sent < count && !isHopeless)
        await sleep(Math.max(0, nextMs - performance.now()), undefined, stop).catch(() => {});
      if (stop.signal.aborted) break;
    }
  } finally {
    await client.close();
  }
  const summary = statistics.summary(performance.now() - sinceMs);
  print(json ? `${JSON.stringify({ summary })}\n` : formatSummary(node, summary));
  process.exitCode = statistics.answered > 0 ? exitCodes.done : exitCodes.failed;
}

function answerLine(node: string, seq: number, { instance, totalMs, brokerMs, agentMs }: RoundTrip): string {
  const shares = `${formatMs(brokerMs)} dialer–broker + ${formatMs(agentMs)} broker–agent`;
  return `${node} (${printable(instance, 64)}): seq=${seq} time=${formatMs(totalMs)} ms (${shares})\n`;
}
