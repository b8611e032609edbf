// Follows a container's log at the kubelet of a node: `node follow.js NODE NAMESPACE/POD/CONTAINER [LINES]`. Neither
// agent nor broker is believed: the kubelet's certificate is verified here.

import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { connect } from 'fairlead/client';

const [node = '', container = '', lines = 'Infinity'] = process.argv.slice(2);
const ca = await readFile('kubelet-ca.pem', 'utf8');
const token = (await readFile('kubelet.token', 'utf8')).trim();

await using broker = connect({
  url: process.env.FAIRLEAD_BROKER ?? 'ws://127.0.0.1:8080',
  token: () => readFile(process.env.FAIRLEAD_TOKEN_FILE ?? 'dial.token', 'utf8'),
});
const socket = await broker.dial({ node, host: '127.0.0.1', port: 10_250 });

let left = Number(lines);
await new Promise<void>((resolve, reject) => {
  get(
    {
      path: `/containerLogs/${container}?follow=true`,
      headers: { Host: node, Authorization: `Bearer ${token}` },
      createConnection: () => connectTls({ socket, ca, servername: node }),
    },
    (response) => {
      if (response.statusCode !== 200) reject(new Error(`the kubelet answered ${response.statusCode}`));
      const read = createInterface(response);
      read.on('line', (line) => {
        console.log(line);
        left -= 1;
        if (left === 0) response.destroy();
      });
      response.once('close', resolve);
    },
  ).on('error', reject);
});
