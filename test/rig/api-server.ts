// What of kube-apiserver kubectl and Fairlead touch: a little of the API, the keys of service-account tokens, and
// connections to nodes by the egress selector: CONNECT over the gateway's socket, then TLS that is verified.

import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Authority, Issued } from './certificates.ts';
import { discovery, pod } from './kube-objects.ts';

interface Backend {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly path: string;
}

export class ApiServer {
  /** The gateway's socket, once there is one. */
  udsName: string | undefined;
  /** Where "edge-1" has its kubelet, and the service "web" its pod. */
  kubeletPort = 0;
  webPort = 0;
  private readonly authority: Authority;
  private readonly kubeletClient: Issued;

  private constructor(authority: Authority, kubeletClient: Issued) {
    this.authority = authority;
    this.kubeletClient = kubeletClient;
  }

  static async create(authority: Authority): Promise<ApiServer> {
    const client = await authority.issue('apiserver-kubelet-client', { usage: 'clientAuth' });
    return new ApiServer(authority, client);
  }

  /** A request that may be for a node; false: for nothing here. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const url = new URL(request.url ?? '', 'https://api');
    const backend = this.backendOf(url);
    if (backend !== undefined) void this.pass(backend, request, response);
    else {
      const object = this.object(url.pathname);
      if (object === undefined) return false;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(object));
    }
    return true;
  }

  /** exec and port-forward: the whole connection goes to the kubelet, which answers the upgrade itself. */
  async upgrade(request: IncomingMessage, client: Duplex): Promise<void> {
    const backend = this.backendOf(new URL(request.url ?? '', 'https://api'));
    if (backend === undefined) {
      client.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    try {
      const kubelet = await this.reach(backend);
      const headers: string[] = [];
      for (let i = 0; i < request.rawHeaders.length; i += 2)
        headers.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      kubelet.write(`${request.method} ${backend.path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      const gone = () => {
        client.destroy();
        kubelet.destroy();
      };
      client.on('error', gone).on('close', gone);
      kubelet.on('error', gone).on('close', gone);
      client.pipe(kubelet).pipe(client);
    } catch (error) {
      const body = statusOf(error);
      client.end(
        `HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    }
  }

  private async pass(backend: Backend, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const socket = await this.reach(backend);
      const { method, headers } = request;
      const { path } = backend;
      const { authorization: _, ...others } = headers;
      const passed = httpRequest({
        createConnection: () => socket,
        method,
        path,
        headers: others,
      });
      passed.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      passed.on('error', () => response.destroy());
      request.pipe(passed);
    } catch (error) {
      response.writeHead(500, { 'content-type': 'application/json' }).end(statusOf(error));
    }
  }

  /** As the egress selector does it; TLS on top where the backend wants it. */
  private async reach({ host, port, isTls }: Backend): Promise<Socket> {
    const socket = await this.dial(host, port);
    if (!isTls) return socket;
    const { cert, key } = this.kubeletClient;
    const tls = connectTls({
      socket,
      servername: host,
      ca: readFileSync(this.authority.cert),
      cert: readFileSync(cert),
      key: readFileSync(key),
    });
    await new Promise<void>((resolve, reject) => {
      tls.once('secureConnect', resolve).once('error', reject);
    });
    return tls;
  }

  private async dial(host: string, port: number): Promise<Socket> {
    const { udsName } = this;
    if (udsName === undefined) throw new Error('no egress selector');
    const target = `${host}:${port}`;
    const { head, socket } = await askAsApiServer(udsName, target);
    const [, status, code] = /^HTTP\/1\.1 ((\d+) .*?)\r\n/.exec(head) ?? [];
    if (code === '200') return socket;
    socket.destroy();
    throw new Error(
      `error dialing backend: proxy error from ${udsName} while dialing ${target}, code ${code}: ${status}`,
    );
  }

  private backendOf({ pathname, search }: URL): Backend | undefined {
    const kubelet = { host: 'edge-1', port: this.kubeletPort, isTls: true };
    const [, verb] =
      /^\/api\/v1\/namespaces\/default\/pods\/web\/(log|exec|portforward)$/.exec(pathname) ?? [];
    if (verb === 'log') return { ...kubelet, path: `/containerLogs/default/web/app${search}` };
    if (verb === 'exec') return { ...kubelet, path: `/exec/default/web/app${search}` };
    if (verb === 'portforward') return { ...kubelet, path: `/portForward/default/web${search}` };
    const [, node, ofNode] = /^\/api\/v1\/nodes\/([\w-]+)\/proxy(\/.*)$/.exec(pathname) ?? [];
    if (node !== undefined) return { ...kubelet, host: node, path: `${ofNode}${search}` };
    const service = /^\/api\/v1\/namespaces\/default\/services\/http:web:80\/proxy(\/.*)$/.exec(pathname);
    if (service === null) return undefined;
    return { host: '127.0.0.1', port: this.webPort, isTls: false, path: `${service[1]}${search}` };
  }

  private object(pathname: string): object | undefined {
    return pathname === '/api/v1/namespaces/default/pods/web' ? pod('edge-1') : discovery.get(pathname);
  }
}

/** As kube-apiserver asks: a new connection, two lines of head, and nothing more until the answer. */
export async function askAsApiServer(
  path: string,
  target: string,
): Promise<{ head: string; socket: Socket }> {
  const socket = connect(path);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  let head = '';
  while (!head.includes('\r\n\r\n')) head += await nextWords(socket);
  return { head, socket };
}

/** What has come on a socket that nobody else reads. @throws where no more will */
export async function nextWords(socket: Socket): Promise<string> {
  for (;;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) return chunk.toString('latin1');
    if (socket.readableEnded || socket.destroyed) throw new Error('the connection has ended');
    await new Promise((resolve) => {
      for (const event of ['readable', 'end', 'close']) socket.once(event, resolve);
    });
  }
}

function statusOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 500, message });
}
