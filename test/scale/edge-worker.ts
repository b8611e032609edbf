// The Worker with a door for measuring: a directory that is told of many nodes, by the reports that their objects send.

import type { DurableObjectState, Request as WorkersRequest } from '@cloudflare/workers-types';
import { DirectoryObject as RealDirectoryObject } from '../../src/broker/edge/directory-object.ts';
import { type Environment, edgeSettings } from '../../src/broker/edge/environment.ts';
import { directoryStub, directoryStubs, reportRequest } from '../../src/broker/edge/internal.ts';
import worker, { NodeObject } from '../../src/broker/edge/worker.ts';

export { NodeObject };

export class DirectoryObject extends RealDirectoryObject {
  readonly #state: DurableObjectState;

  constructor(state: DurableObjectState, environment: Environment) {
    super(state, environment);
    this.#state = state;
  }

  override async fetch(request: WorkersRequest): Promise<Response> {
    if (new URL(request.url).pathname === '/scale/size')
      return new Response(String(this.#state.storage.sql.databaseSize));
    return super.fetch(request);
  }
}

/** What a Worker may have under way to objects at once. */
const atOnce = 6;

export default {
  async fetch(request: Request, environment: Environment): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/scale/report') {
      const [from, to] = [Number(searchParams.get('from')), Number(searchParams.get('to'))];
      for (let at = from; at < to; at += atOnce)
        await Promise.all(
          Array.from({ length: Math.min(atOnce, to - at) }, (_, i) => report(environment, at + i)),
        );
      return new Response();
    }
    if (pathname === '/scale/size') {
      const [first] = directoryStubs(environment, edgeSettings(environment));
      return (await first?.fetch('https://fairlead.invalid/scale/size')) as unknown as Response;
    }
    return worker.fetch(request, environment);
  },
};

async function report(environment: Environment, n: number): Promise<void> {
  const node = `node-${n}`;
  const summary = {
    node,
    instances: [
      {
        instance: `instance-${n}`,
        version: '1.0.0',
        since: new Date().toISOString(),
        draining: false,
        labels: {},
        routes: [],
        sessions: 0,
        address: '192.0.2.1',
      },
    ],
  };
  const stub = directoryStub(environment, edgeSettings(environment), node);
  const response = await stub.fetch(...reportRequest({ node, summary, growth: { linksOpened: 1 } }));
  if (!response.ok) throw new Error(`the directory answered ${response.status}`);
}
