// Many seeds, over days if need be: blocks of a thousand in worker threads, each noted in a file of JSON lines once it
// is done, so that the same command goes on where it was stopped.

import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { type Failure, type Shrunk, shrinkFailure, simulate } from './run.ts';

const blockSeeds = 1000;

interface Block {
  readonly from: number;
  readonly to: number;
  readonly streams: number;
  readonly bytes: number;
  readonly failure?: Failure | undefined;
  readonly shrunk?: Shrunk | undefined;
}

/** Runs the seeds `from` … `to` that the file does not have yet; answers the exit code. */
export async function runAndRecord(from: number, to: number, workers: number, file: string): Promise<number> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const done = new Set(
    (existsSync(file) ? readFileSync(file, 'utf8') : '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as Block).from),
  );
  const blocks: { from: number; to: number }[] = [];
  for (let at = from; at <= to; at += blockSeeds)
    if (!done.has(at)) blocks.push({ from: at, to: Math.min(to, at + blockSeeds - 1) });
  let failures = 0;
  let finished = 0;
  const next = blocks.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const worker = new Worker(new URL(import.meta.url));
      for (const block of next) {
        const outcome = await new Promise<Block>((resolve, reject) => {
          worker.once('message', resolve).once('error', reject);
          worker.postMessage(block);
        });
        worker.removeAllListeners('error');
        appendFileSync(file, `${JSON.stringify({ ...outcome, commit, at: new Date().toISOString() })}\n`);
        finished += 1;
        if (outcome.failure !== undefined) failures += 1;
        process.stdout.write(
          `${finished} of ${blocks.length} blocks, ${failures} with a failure: seeds to ${block.to}\n`,
        );
      }
      await worker.terminate();
    }),
  );
  return failures === 0 ? 0 : 1;
}

function runBlock(from: number, to: number): Block {
  const { counts, failure } = simulate(from, to - from + 1);
  const { streams, bytes } = counts;
  if (failure === undefined) return { from, to, streams, bytes };
  return { from, to, streams, bytes, failure, shrunk: shrinkFailure(failure) };
}

if (!isMainThread)
  parentPort?.on('message', ({ from, to }: { from: number; to: number }) =>
    parentPort?.postMessage(runBlock(from, to)),
  );
