import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { withinDeadline } from '../../src/link/deadline.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function aborted(limit: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => limit.addEventListener('abort', () => resolve(limit.reason)));
}

test('the limit comes even where the collector runs all the time', async () => {
  const collecting = setInterval(collect, 5);
  try {
    const reason = await withinDeadline(100, new AbortController().signal, aborted);
    expect(reason).toMatchObject({ name: 'TimeoutError' });
  } finally {
    clearInterval(collecting);
  }
});

test('whoever gives up first is the reason, and nobody listens afterwards', async () => {
  const controller = new AbortController();
  const work = withinDeadline(60_000, controller.signal, aborted);
  controller.abort('enough');
  expect(await work).toBe('enough');
  const over = AbortSignal.abort('before');
  expect(await withinDeadline(60_000, over, async ({ reason }) => reason)).toBe('before');
  await expect(
    withinDeadline(60_000, over, async () => {
      throw new Error('the work itself');
    }),
  ).rejects.toThrow('the work itself');
});
