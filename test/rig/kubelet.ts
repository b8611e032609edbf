// One HTTPS server that is kubelet and API server of a cluster with one node and one pod: as much as kubectl and
// @kubernetes/client-node ask for. Whoever has neither the token nor a certificate of the authority gets 401.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { Issued } from './certificates.ts';
import { channelProtocols, forwardPorts, remoteStreams } from './kube-channels.ts';
import { discovery, nodeList, nodeTable, pod } from './kube-objects.ts';
import { spdyPorts, spdyStreams } from './kube-spdy.ts';
import { type RemoteStreams, runCommand } from './remote-command.ts';
import type { Rig } from './rig.ts';

interface KubeWishes {
  /** Its certificate and key. */
  readonly server: Issued;
  /** PEM file of the authority whose clients it takes. */
  readonly clientCa?: string;
  /** The bearer token that it takes. */
  readonly token?: string;
  readonly node?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/** What somebody asked for. */
interface Asked {
  readonly method: string;
  readonly url: string;
  /** `token`, or the common name of a certificate. */
  readonly as: string;
}

export class Kubelet {
  readonly port: number;
  readonly asked: Asked[] = [];
  /** What the container has said so far. */
  readonly lines: string[] = ['begun', 'serving'];
  readonly sockets: ReadonlySet<Duplex>;
  private readonly websockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => channelProtocols.find((protocol) => offered.has(protocol)) ?? false,
  });
  private readonly followers: Set<(line: string) => void>;

  private constructor(port: number, sockets: ReadonlySet<Duplex>, followers: Set<(line: string) => void>) {
    this.port = port;
    this.sockets = sockets;
    this.followers = followers;
  }

  /** Ends with the rig. */
  static async start(rig: Pick<Rig, 'defer'>, wishes: KubeWishes): Promise<Kubelet> {
    const { server: issued, clientCa, token, node = 'edge-1', port = 0 } = wishes;
    const sockets = new Set<Duplex>();
    const server = createServer({
      cert: readFileSync(issued.cert),
      key: readFileSync(issued.key),
      ...(clientCa === undefined ? {} : { ca: readFileSync(clientCa), requestCert: true }),
      rejectUnauthorized: false,
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server without an address');
    const kubelet = new Kubelet(address.port, sockets, new Set());
    const admit = (request: IncomingMessage): URL | undefined => {
      const as = identityOf(request, token);
      const { method = '', url = '' } = request;
      kubelet.asked.push({ method, url, as: as ?? 'nobody' });
      return as === undefined ? undefined : new URL(url, 'https://kubelet');
    };
    server.on('request', (request, response) => {
      const url = admit(request);
      if (url === undefined) refuse(response, 401, 'Unauthorized');
      else kubelet.answer(url, request, response, node);
    });
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => {});
      const url = admit(request);
      if (url === undefined) refuseUpgrade(socket, '401 Unauthorized');
      else if (request.headers.upgrade === 'SPDY/3.1') kubelet.spdy(url, socket, head);
      else kubelet.websocket(url, request, socket, head);
    });
    rig.defer(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return kubelet;
  }

  /** The container writes a line. */
  say(line: string): void {
    this.lines.push(line);
    for (const follow of this.followers) follow(line);
  }

  private answer(url: URL, request: IncomingMessage, response: ServerResponse, node: string): void {
    const { pathname } = url;
    const isLog =
      pathname === '/containerLogs/default/web/app' || pathname === '/api/v1/namespaces/default/pods/web/log';
    if (isLog) this.answerLog(url, response);
    else if (pathname === '/healthz' || pathname === '/readyz') response.end('ok');
    else if (pathname === '/pods') json(response, { kind: 'PodList', apiVersion: 'v1', items: [pod(node)] });
    else if (pathname === '/api/v1/namespaces/default/pods/web') json(response, pod(node));
    else if (pathname === '/api/v1/nodes')
      json(response, /as=Table/.test(request.headers.accept ?? '') ? nodeTable(node) : nodeList(node));
    else if (discovery.has(pathname)) json(response, discovery.get(pathname) ?? {});
    else refuse(response, 404, 'NotFound');
  }

  private answerLog(url: URL, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.flushHeaders();
    for (const line of this.lines) response.write(`${line}\n`);
    if (url.searchParams.get('follow') !== 'true') {
      response.end();
      return;
    }
    const follow = (line: string) => response.write(`${line}\n`);
    this.followers.add(follow);
    response.once('close', () => this.followers.delete(follow));
  }

  private websocket(url: URL, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { searchParams } = url;
    const action = actionOf(url.pathname);
    const offered = request.headers['sec-websocket-protocol']?.split(/, */) ?? [];
    if (action === undefined || !channelProtocols.some((protocol) => offered.includes(protocol))) {
      refuseUpgrade(socket, action === undefined ? '404 Not Found' : '403 Forbidden');
      return;
    }
    this.websockets.handleUpgrade(request, socket, head, (websocket) => {
      if (action === 'portforward') forwardPorts(websocket, searchParams.getAll('ports').map(Number));
      else this.run(action, url, remoteStreams(websocket, searchParams));
    });
  }

  private spdy(url: URL, socket: Duplex, head: Buffer): void {
    const action = actionOf(url.pathname);
    if (action === undefined) refuseUpgrade(socket, '404 Not Found');
    else if (action === 'portforward') spdyPorts(socket, head);
    else spdyStreams(socket, head, url.searchParams, (streams) => this.run(action, url, streams));
  }

  private run(action: 'exec' | 'attach', url: URL, streams: RemoteStreams): void {
    if (action === 'exec') {
      runCommand(url.searchParams.getAll('command'), streams);
      return;
    }
    // The container's process says what it said, and says again what it is told.
    for (const line of this.lines) streams.stdout?.write(`${line}\n`);
    streams.stdin?.on('data', (chunk: Buffer) => streams.stdout?.write(chunk));
  }
}

type Action = 'exec' | 'attach' | 'portforward';

/** From a kubelet's path or an API server's. */
function actionOf(pathname: string): Action | undefined {
  const [, kubelet] = /^\/(exec|attach|portForward)\/default\/web(?:\/app)?$/.exec(pathname) ?? [];
  const [, api] =
    /^\/api\/v1\/namespaces\/default\/pods\/web\/(exec|attach|portforward)$/.exec(pathname) ?? [];
  return (kubelet?.toLowerCase() ?? api) as Action | undefined;
}

function identityOf(request: IncomingMessage, token: string | undefined): string | undefined {
  if (token !== undefined && request.headers.authorization === `Bearer ${token}`) return 'token';
  const socket = request.socket as TLSSocket;
  return socket.authorized ? String(socket.getPeerCertificate().subject.CN) : undefined;
}

function json(response: ServerResponse, body: object): void {
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, reason: string): void {
  response.statusCode = code;
  json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: reason, reason, code });
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}
