// `fairlead doctor`: goes the way of a dial one step at a time, and says of each step whether it works or what to do.

import { styleText } from 'node:util';
import { type Command, Option } from 'commander';
import type { Logger } from 'pino';
import { type BrokerClient, connect } from '../client/index.ts';
import { readCertificate } from '../files/followed-certificate.ts';
import { linkUrl } from '../link/link-url.ts';
import { chooseProxy } from '../link/proxy-choice.ts';
import { type HostPort, parseNode, parseTarget } from './address.ts';
import { trustedAuthorities } from './certificate.ts';
import {
  addBrokerOptions,
  authoritiesFile,
  type BrokerOptions,
  brokerAccess,
  brokerUrl,
  certificateFiles,
  tokenSource,
} from './credentials.ts';
import { checkBroker, checkClock, checkWebSocket } from './doctor/broker-checks.ts';
import { type Check, type Finding, type Result, runChecks } from './doctor/check.ts';
import { checkToken } from './doctor/credential-checks.ts';
import type { Examination } from './doctor/examination.ts';
import { checkAgent, checkGrants, checkTarget } from './doctor/node-checks.ts';
import { checkDns, checkTcp, checkTls } from './doctor/path-checks.ts';
import { checkProxy } from './doctor/proxy-check.ts';
import { parseFraction } from './duration.ts';
import { addE2eDialOptions, type E2eDialFlags, e2eDialing } from './e2e-options.ts';
import { describe, exitCodes, UsageError } from './failure.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { print } from './print.ts';
import { proxyAccess, proxyGiven } from './proxy-options.ts';

interface DiagnosisOptions extends BrokerOptions, E2eDialFlags {
  readonly agent?: boolean;
  /** In seconds. */
  readonly timeout: number;
}

interface DoctorOptions extends DiagnosisOptions, LogOptions {
  readonly json?: boolean;
}

const colours = { ok: 'green', warn: 'yellow', fail: 'red', skip: 'gray' } as const;

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'Goes the way of a dial one step at a time: DNS, TCP, proxy, TLS, broker, clock, token, WebSocket, grants, agent, target. Each line passes or says what to do.',
    )
    .argument('[node]', 'ask the agent of this node, too', parseNode)
    .argument('[host:port]', 'and have it connect to this target', parseTarget)
    .option('--agent', "on a node's machine, with its agent's token: as far as the broker")
    .addOption(
      new Option('--timeout <seconds>', 'how long one step may take')
        .argParser((text) => parseFraction(text, 0.1))
        .default(5),
    )
    .option('--json', 'print the results as JSON')
    .addHelpText(
      'after',
      [
        '',
        'Exits 1 if any step fails. A step that needs one that failed is skipped.',
        'Nothing is sent to the target: the agent connects to it, and closes the connection.',
        '',
        'Examples:',
        '  fairlead doctor --broker wss://broker.example.com --token-file me.token',
        '  fairlead doctor edge-1 127.0.0.1:22',
        '  fairlead doctor --agent --broker wss://broker.example.com --token-file agent.token',
        '  fairlead doctor --ca company-ca.pem --json edge-1 | jq ".checks[] | select(.outcome == \\"fail\\")"',
      ].join('\n'),
    );
  addBrokerOptions(command);
  addE2eDialOptions(command);
  addLogOption(command, 'warn').action(examine);
}

async function examine(
  node: string | undefined,
  target: HostPort | undefined,
  options: DoctorOptions,
): Promise<void> {
  const isPlain = options.json !== true;
  const isColoured = mayColour();
  if (isPlain) print(`${brokerUrl(options)}${node === undefined ? '' : `, node ${node}`}\n`);
  const results = await diagnose(node, target, options, await createLog(options), (result) => {
    if (isPlain) print(formatResult(result, isColoured));
  });
  const isWell = results.every(({ outcome }) => outcome !== 'fail');
  if (!isPlain) print(`${JSON.stringify({ ok: isWell, checks: results })}\n`);
  process.exitCode = isWell ? exitCodes.done : exitCodes.failed;
}

/** All the checks; `told` hears of each as it ends. */
export async function diagnose(
  node: string | undefined,
  target: HostPort | undefined,
  options: DiagnosisOptions,
  log: Logger,
  told: (result: Result) => void,
): Promise<Result[]> {
  const { it, close } = await beginExamination(node, target, options, log);
  try {
    return await runChecks(checksOf(it), told, describe);
  } finally {
    await close();
  }
}

function checksOf(it: Examination): Check[] {
  const check = (
    name: string,
    needs: readonly string[],
    look: (examination: Examination) => Promise<Finding>,
  ): Check => ({ name, needs, look: () => look(it) });
  return [
    check('dns', [], checkDns),
    check('tcp', ['dns'], checkTcp),
    check('proxy', ['tcp'], checkProxy),
    check('tls', ['tcp', 'proxy'], checkTls),
    check('broker', ['tls'], checkBroker),
    check('clock', ['broker'], checkClock),
    check('token', [], checkToken),
    check('websocket', ['broker'], checkWebSocket),
    check('grants', ['token', 'websocket'], checkGrants),
    // Beyond the broker there is nothing for an agent to ask.
    ...(it.isAgent ? [] : [check('agent', ['grants'], checkAgent), check('target', ['agent'], checkTarget)]),
  ];
}

async function beginExamination(
  node: string | undefined,
  target: HostPort | undefined,
  options: DiagnosisOptions,
  log: Logger,
): Promise<{ readonly it: Examination; readonly close: () => Promise<void> }> {
  const isAgent = options.agent === true;
  if (isAgent && node !== undefined)
    throw new UsageError('--agent looks no further than the broker: leave the node out');
  const files = certificateFiles(options);
  const readToken = tokenSource(options);
  if (readToken === undefined && files === undefined)
    throw new UsageError(
      'no token given: add --token-file FILE or set FAIRLEAD_TOKEN_FILE or FAIRLEAD_TOKEN, or show a certificate with --cert and --key',
    );
  const { insecure = false } = options;
  const url = linkUrl({ url: brokerUrl(options), token: readToken, insecure }, '', {});
  const caFile = authoritiesFile(options);
  const ca = caFile === undefined ? undefined : await (await trustedAuthorities(caFile, log))();
  const timeoutMs = options.timeout * 1000;
  let client: BrokerClient | undefined;
  const it: Examination = {
    url,
    isAgent,
    way: chooseProxy(url, proxyGiven(options), process.env),
    proxyAccess: await proxyAccess(options, url, log),
    node,
    target,
    timeoutMs,
    ca,
    readToken,
    readCertificate: files === undefined ? undefined : () => readCertificate(files),
    client: async () => {
      client ??= connect({
        ...(await brokerAccess(options, log)),
        ...(await e2eDialing(options, log)),
        dialTimeoutMs: timeoutMs,
      });
      return client;
    },
    skewMs: undefined,
    token: undefined,
    // TLS needs it before its own turn comes, when what is wrong with it is told.
    certificate: files && (await readCertificate(files).catch(() => undefined)),
    upgrade: undefined,
  };
  return { it, close: async () => await client?.close() };
}

function formatResult({ outcome, check, found, advice }: Result, isColoured: boolean): string {
  const mark = outcome.padEnd(4);
  const shown = isColoured ? styleText(colours[outcome], mark) : mark;
  const line = `${shown}  ${check.padEnd(9)}  ${found}\n`;
  return advice === undefined ? line : `${line}${' '.repeat(17)}→ ${advice}\n`;
}

/** https://no-color.org: any value that is not empty. */
function mayColour(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}
