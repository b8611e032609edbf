// PostgreSQL on a node, without a port on this machine: `node postgres.js NODE SQL`.

import { readFile } from 'node:fs/promises';
import { connect } from 'fairlead/client';
import pg from 'pg';

const [node = '', sql = 'select 1'] = process.argv.slice(2);

await using broker = connect({
  url: process.env.FAIRLEAD_BROKER ?? 'ws://127.0.0.1:8080',
  token: () => readFile(process.env.FAIRLEAD_TOKEN_FILE ?? 'dial.token', 'utf8'),
});

const pool = new pg.Pool({
  user: 'app',
  database: 'app',
  max: 4,
  stream: () => {
    const socket = broker.dialStream({ node, host: '127.0.0.1', port: 5432 });
    // pg calls `connect` on what it is given, and this is connecting already.
    return Object.assign(socket, { connect: () => socket });
  },
});
// One that breaks while nobody uses it is replaced by the next query.
pool.on('error', (error) => console.error(error.message));

const { rows } = await pool.query(sql);
for (const row of rows) console.log(JSON.stringify(row));
await pool.end();
