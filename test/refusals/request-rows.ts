// Requests for what the broker's HTTP routes do not give. `{dial}` … stand for tokens of that name.

export interface RequestRow {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  /** Default: a good dial token. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: string;
  readonly says: string;
}

const unauthorized = { status: 401, code: 'ERR_UNAUTHORIZED' } as const;
const bad = { status: 400, code: 'ERR_PROTOCOL' } as const;
const forbidden = { status: 403, code: 'ERR_FORBIDDEN' } as const;
const absent = { status: 404, code: 'ERR_PROTOCOL', says: 'nothing at this path' } as const;
const away = { status: 404, code: 'ERR_NODE_UNREACHABLE' } as const;
const host = 'must be a host name or an address';

export const requestRows: readonly RequestRow[] = [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'].map((method) => ({
    name: `${method} for the list of nodes`,
    method,
    path: '/v1/nodes',
    ...absent,
  })),
  {
    name: 'the list of nodes without a token',
    path: '/v1/nodes',
    headers: { authorization: '' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'the list of nodes with an agent token',
    path: '/v1/nodes',
    headers: { authorization: 'Bearer {agent}' },
    ...forbidden,
    says: 'a dial token is needed',
  },
  {
    name: "the list of nodes with a stranger's token",
    path: '/v1/nodes',
    headers: { authorization: 'Bearer {stranger}' },
    ...unauthorized,
    says: 'signature',
  },
  {
    name: 'the list of nodes with a token in the query',
    path: '/v1/nodes?token={dial}',
    headers: { authorization: '' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'the list of nodes for another site',
    path: '/v1/nodes',
    headers: { authorization: 'Bearer {dial}', origin: 'https://evil.example' },
    ...forbidden,
    says: 'Origin',
  },
  {
    name: 'the list of nodes for no site',
    path: '/v1/nodes',
    headers: { authorization: 'Bearer {dial}', origin: 'null' },
    ...forbidden,
    says: 'Origin',
  },
  {
    name: 'the list of nodes for the site at another port',
    path: '/v1/nodes',
    headers: { authorization: 'Bearer {dial}', origin: 'http://127.0.0.1:1' },
    ...forbidden,
    says: 'Origin',
  },
  {
    name: 'a host for another site',
    path: '/v1/resolve?host=edge-1',
    headers: { authorization: 'Bearer {dial}', origin: 'https://evil.example' },
    ...forbidden,
    says: 'Origin',
  },
  {
    name: 'a node without a token',
    path: '/v1/nodes/edge-1',
    headers: { authorization: '' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a node that is not granted',
    path: '/v1/nodes/other',
    ...forbidden,
    says: 'does not grant the node "other"',
  },
  {
    name: 'a node that is not there',
    path: '/v1/nodes/edge-9',
    ...away,
    says: 'no agent of the node "edge-9"',
  },
  { name: 'a node in capitals', path: '/v1/nodes/EDGE-1', ...forbidden, says: 'does not grant' },
  { name: 'a node with a slash', path: '/v1/nodes/edge-1%2fx', ...away, says: 'no agent of the node' },
  { name: 'a node with a newline', path: '/v1/nodes/a%0ab', ...forbidden, says: 'does not grant' },
  {
    name: 'a node with an escape sequence',
    path: '/v1/nodes/%1b%5b2J',
    ...forbidden,
    says: 'does not grant',
  },
  { name: 'a node of bytes that are no UTF-8', path: '/v1/nodes/%ff', ...forbidden, says: 'does not grant' },
  {
    name: 'a node of 2,000 characters',
    path: `/v1/nodes/${'x'.repeat(2000)}`,
    ...forbidden,
    says: 'does not grant',
  },
  {
    name: 'a node of the object prototype',
    path: '/v1/nodes/__proto__',
    ...forbidden,
    says: 'does not grant',
  },
  { name: 'a path under a node', path: '/v1/nodes/edge-1/kill', ...absent },
  {
    name: 'a host without a token',
    path: '/v1/resolve?host=a',
    headers: { authorization: '' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a host with an agent token',
    path: '/v1/resolve?host=a',
    headers: { authorization: 'Bearer {agent}' },
    ...forbidden,
    says: 'a dial token is needed',
  },
  { name: 'no host', path: '/v1/resolve', ...bad, says: host },
  { name: 'an empty host', path: '/v1/resolve?host=', ...bad, says: host },
  { name: 'a host with a space', path: '/v1/resolve?host=a%20b', ...bad, says: host },
  { name: 'a host with a port', path: '/v1/resolve?host=a:22', ...bad, says: host },
  { name: 'a host that is a range', path: '/v1/resolve?host=10.0.0.0/8', ...bad, says: host },
  { name: 'a host that is a short address', path: '/v1/resolve?host=127.1', ...bad, says: host },
  { name: 'a host in octal', path: '/v1/resolve?host=0177.0.0.1', ...bad, says: host },
  { name: 'a host of letters that look alike', path: '/v1/resolve?host=%D0%B5dge-1', ...bad, says: host },
  { name: 'a host with a null byte', path: '/v1/resolve?host=a%00b', ...bad, says: host },
  { name: 'a host of 254 characters', path: `/v1/resolve?host=${'a.'.repeat(127)}`, ...bad, says: host },
  {
    name: 'a host that nobody serves',
    path: '/v1/resolve?host=198.51.100.7',
    ...away,
    says: 'no connected agent serves',
  },
  {
    name: 'the link for agents without an upgrade',
    path: '/v1/agent',
    status: 426,
    code: 'ERR_PROTOCOL',
    says: 'opened as a WebSocket',
  },
  {
    name: 'the link for dialers without an upgrade',
    path: '/v1/dial?node=edge-1&session=00000000000000ff',
    status: 426,
    code: 'ERR_PROTOCOL',
    says: 'opened as a WebSocket',
  },
  { name: 'an admin page', path: '/admin', ...absent },
  { name: 'a file of the broker', path: '/package.json', ...absent },
  { name: 'a file out of the root', path: '/v1/../../../../etc/passwd', ...absent },
  { name: 'a path of backslashes', path: '/..%5c..%5cwindows', ...absent },
];
