// The directory: one row per node that has an agent, as the nodes' objects tell it. A row that nobody has confirmed
// for two refreshes is not shown: so it heals by itself after whatever made it wrong.

import type { DurableObjectState, Request as WorkersRequest } from '@cloudflare/workers-types';
import { servesNode } from '../directory.ts';
import { errorResponse } from '../refusal.ts';
import type { Growth } from './counts.ts';
import { type Environment, edgeSettings } from './environment.ts';
import { paths, type Report } from './internal.ts';

export class DirectoryObject {
  readonly #state: DurableObjectState;
  readonly #staleAfterMs: number;

  constructor(state: DurableObjectState, environment: Environment) {
    this.#state = state;
    this.#staleAfterMs = 2 * edgeSettings(environment).directoryRefreshMs;
    state.storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS nodes (node TEXT PRIMARY KEY, summary TEXT NOT NULL, confirmed INTEGER NOT NULL)',
    );
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, value REAL NOT NULL)');
  }

  async fetch(request: WorkersRequest): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === paths.report) {
      this.#take((await request.json()) as Report);
      return new Response(null, { status: 204 });
    }
    if (pathname === paths.counts) return Response.json(this.#counts());
    if (pathname === paths.list) {
      const host = searchParams.get('host') ?? undefined;
      const rows = this.#list();
      const some = host === undefined ? rows : rows.filter((row) => servesNode(JSON.parse(row), host));
      return new Response(`[${some.join()}]`, { headers: { 'content-type': 'application/json' } });
    }
    return errorResponse(404, 'ERR_PROTOCOL', 'an object is reached through the Worker only');
  }

  #take({ node, summary, growth = {} }: Report): void {
    const { sql } = this.#state.storage;
    for (const [name, value] of Object.entries(growth))
      sql.exec(
        'INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
        name,
        value,
      );
    if (summary === null) sql.exec('DELETE FROM nodes WHERE node = ?', node);
    else
      sql.exec(
        'INSERT INTO nodes VALUES (?, ?, ?) ON CONFLICT (node) DO UPDATE SET summary = excluded.summary, confirmed = excluded.confirmed',
        node,
        JSON.stringify(summary),
        Date.now(),
      );
  }

  /** What every node's object has counted, those that are gone included. */
  #counts(): Growth {
    const rows = this.#state.storage.sql.exec<{ name: string; value: number }>('SELECT * FROM counts');
    return Object.fromEntries([...rows].map(({ name, value }) => [name, value]));
  }

  /** Summaries as they were told: of a hundred thousand, reading and writing each would be most of the work. */
  #list(): string[] {
    const { sql } = this.#state.storage;
    sql.exec('DELETE FROM nodes WHERE confirmed < ?', Date.now() - this.#staleAfterMs);
    const rows = sql.exec<{ summary: string }>('SELECT summary FROM nodes ORDER BY node');
    return [...rows].map(({ summary }) => summary);
  }
}
