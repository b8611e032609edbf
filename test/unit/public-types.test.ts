// The types of the public surface: what a program may write, and what the compiler must not let through. They are
// checked by the compiler (`npm run check`); nothing is run.

import type { Duplex } from 'node:stream';
import { expectTypeOf, test } from 'vitest';
import type * as browser from '../../src/browser/index.ts';
import type * as client from '../../src/client/index.ts';
import type * as gateway from '../../src/gateway/index.ts';

test('connect takes a token or a function of one, and needs a URL', () => {
  type Options = Parameters<typeof client.connect>[0];
  expectTypeOf<{ url: string; token: string }>().toExtend<Options>();
  expectTypeOf<{ url: string; token: () => Promise<string> }>().toExtend<Options>();
  expectTypeOf<{ url: string; certificate: { cert: string; key: string } }>().toExtend<Options>();
  expectTypeOf<{ token: string }>().not.toExtend<Options>();
  expectTypeOf<{ url: URL; token: string }>().not.toExtend<Options>();
  expectTypeOf<{ url: string; resumeWindowMs: string }>().not.toExtend<Options>();
});

test('dial answers what any program takes that takes a Duplex', () => {
  type Socket = Awaited<ReturnType<client.BrokerClient['dial']>>;
  expectTypeOf<Socket>().toExtend<Duplex>();
  expectTypeOf<Socket>().toEqualTypeOf<client.StreamSocket>();
  expectTypeOf<{ node: string; host: string; port: number }>().toExtend<client.DialOptions>();
  expectTypeOf<{ node: string; host: string; port: string }>().not.toExtend<client.DialOptions>();
  expectTypeOf<{ host: string; port: number }>().not.toExtend<client.DialOptions>();
  expectTypeOf<{ node: string; path: string }>().toExtend<client.DialOptions>();
  expectTypeOf<{ node: string; path: string; port: number }>().not.toExtend<client.DialOptions>();
  expectTypeOf<{ node: string }>().not.toExtend<client.DialOptions>();
});

test('the client is closed by `await using`', () => {
  expectTypeOf<client.BrokerClient>().toExtend<AsyncDisposable>();
});

test('error codes are a closed list that narrows', () => {
  expectTypeOf<client.FairleadError['code']>().toEqualTypeOf<client.ErrorCode>();
  expectTypeOf<'ECONNREFUSED' | 'ERR_NODE_UNREACHABLE'>().toExtend<client.ErrorCode>();
  expectTypeOf<'ERR_OTHER'>().not.toExtend<client.ErrorCode>();
  expectTypeOf<string>().not.toExtend<client.ErrorCode>();
});

test('a page gets web streams, and nothing of Node', () => {
  type Socket = Awaited<ReturnType<browser.BrokerClient['dial']>>;
  expectTypeOf<Socket['readable']>().toEqualTypeOf<ReadableStream<Uint8Array>>();
  expectTypeOf<Socket['writable']>().toEqualTypeOf<WritableStream<Uint8Array | ArrayBuffer>>();
  expectTypeOf<Socket['closed']>().toEqualTypeOf<Promise<void>>();
  // A page without a token has nothing else to say who it is.
  expectTypeOf<{ url: string }>().not.toExtend<browser.ConnectOptions>();
  expectTypeOf<browser.ErrorCode>().toEqualTypeOf<client.ErrorCode>();
});

test('a gateway dials through a client, or whatever can do as much', () => {
  type Options = Parameters<typeof gateway.startGateway>[0];
  expectTypeOf<client.BrokerClient>().toExtend<Options['broker']>();
  expectTypeOf<ReturnType<typeof gateway.startGateway>>().toEqualTypeOf<Promise<gateway.Gateway>>();
});
