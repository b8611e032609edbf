// `fairlead top`: who is connected and what goes through, live; printed once where nobody watches.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type BrokerClient, connect, FairleadError } from '../client/index.ts';
import { printable } from '../files/printable.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { parseFraction } from './duration.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { print } from './print.ts';
import { firstSignal } from './signals.ts';
import { type Sample, takeSample } from './top/sample.ts';
import { Screen } from './top/screen.ts';
import {
  firstView,
  type Key,
  pageRowsOf,
  pressed,
  rowsOf,
  screenOf,
  summaryLines,
  tableOf,
} from './top/view.ts';

interface TopOptions extends BrokerOptions, LogOptions {
  /** In seconds. */
  readonly delay: number;
  readonly json?: boolean;
}

export function addTopCommand(program: Command): void {
  const command = program
    .command('top')
    .description(
      'Shows live who is connected and what goes through; where stdin or stdout is no terminal, prints it once.',
    )
    .addOption(
      new Option('-d, --delay <seconds>', 'between one look and the next')
        .argParser((text) => parseFraction(text, 0.1))
        .default(2),
    )
    .option('--json', 'print it once, as JSON, with the rates of one --delay')
    .addHelpText(
      'after',
      [
        '',
        'Keys: q or Ctrl-C ends it; / filters by name; n a p e m i o sort by a column, r the other way round;',
        'arrows and Page keys scroll; space looks again at once.',
        'IN is from the agent to the broker, OUT the other way; a rate shows once two looks have seen the same link.',
        '',
        'Examples:',
        '  fairlead top --broker wss://broker.example.com --token-file me.token',
        '  fairlead top --delay 0.5',
        "  fairlead top --json | jq '.rows[] | select(.inBytesPerSecond > 1e6) | .node'",
      ].join('\n'),
    );
  addBrokerOptions(command);
  addLogOption(command, 'warn').action(top);
}

async function top(options: TopOptions): Promise<void> {
  const log = await createLog(options);
  const access = await brokerAccess(options, log);
  const broker = connect(access);
  try {
    const isWatched = options.json !== true && process.stdin.isTTY === true && process.stdout.isTTY === true;
    if (isWatched) await watch(broker, access.url, options.delay);
    else await printOnce(broker, access.url, options);
  } finally {
    await broker.close();
  }
}

async function printOnce(broker: BrokerClient, title: string, { delay, json }: TopOptions): Promise<void> {
  const first = takeSample(await broker.status(), Date.now(), undefined);
  await sleep(delay * 1000);
  const sample = takeSample(await broker.status(), Date.now(), first);
  if (json === true) {
    const { status, atMs, ...told } = sample;
    print(`${JSON.stringify({ at: new Date(atMs).toISOString(), ...told })}\n`);
  } else {
    const lines = [...summaryLines(sample, title), '', ...tableOf(rowsOf(sample, firstView), sample.atMs)];
    print(`${lines.join('\n')}\n`);
  }
}

async function watch(broker: BrokerClient, title: string, delaySeconds: number): Promise<void> {
  // Before the screen is taken: what cannot work is told as by any other command.
  let sample: Sample = takeSample(await broker.status(), Date.now(), undefined);
  let view = firstView;
  let notice: string | undefined;
  const end = new AbortController();
  let wake = (): void => {};

  const draw = (): void => screen.draw(screenOf(sample, view, screen.size, title, notice));
  const onKey = (key: Key): void => {
    const page = { pageRows: pageRowsOf(screen.size.rows), rowCount: rowsOf(sample, view).length };
    const effect = pressed(view, key, page);
    if (effect === 'quit') end.abort();
    else if (effect === 'refresh') wake();
    else if (effect === 'suspend') screen.suspend();
    else {
      view = effect;
      draw();
    }
  };
  const screen = new Screen(process.stdin, process.stdout, { key: onKey, resized: draw });
  void firstSignal().then(() => end.abort());
  screen.open();
  try {
    draw();
    while (!end.signal.aborted) {
      const woken = new AbortController();
      wake = () => woken.abort();
      const stop = (): void => woken.abort();
      end.signal.addEventListener('abort', stop, { once: true });
      await sleep(delaySeconds * 1000, undefined, { signal: woken.signal }).catch(() => {});
      end.signal.removeEventListener('abort', stop);
      if (end.signal.aborted) break;
      try {
        sample = takeSample(await broker.status({ signal: end.signal }), Date.now(), sample);
        notice = undefined;
      } catch (error) {
        if (!(error instanceof FairleadError)) throw error;
        notice = `not up to date: ${printable(error.message, 256)} (${error.code})`;
      }
      draw();
    }
  } finally {
    screen.close();
  }
}
