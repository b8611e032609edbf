// GET from an HTTP server on a node: `node get.js NODE PORT PATH`. All requests to it share one link.

import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { connect } from 'fairlead/client';

const [node = '', port = '', path = '/'] = process.argv.slice(2);

await using broker = connect({
  url: process.env.FAIRLEAD_BROKER ?? 'ws://127.0.0.1:8080',
  token: () => readFile(process.env.FAIRLEAD_TOKEN_FILE ?? 'dial.token', 'utf8'),
});

// An agent as any other: it keeps connections alive, and makes them through the broker.
const agent = new Agent({ keepAlive: true });
agent.createConnection = () => broker.dialStream({ node, host: '127.0.0.1', port: Number(port) });

await new Promise<void>((resolve, reject) => {
  request({ host: node, path, agent }, (response) => {
    console.error(response.statusCode, response.headers['content-type'] ?? '');
    pipeline(response, process.stdout, { end: false }).then(resolve, reject);
  })
    .on('error', reject)
    .end();
});
agent.destroy();
