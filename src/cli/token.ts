// `fairlead token`: makes a token and prints it, nothing else, on stdout.

import { type Command, Option } from 'commander';
import { mintToken } from '../broker/index.ts';
import { FairleadError } from '../protocol/errors.ts';
import { parseNode } from './address.ts';
import { readPrivate, readSecret } from './credentials.ts';
import { parseDuration } from './duration.ts';
import { Failure, UsageError } from './failure.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { addInspectCommand } from './token-inspect.ts';

interface TokenOptions extends LogOptions {
  readonly secretFile?: string;
  readonly keyFile?: string;
  readonly agent?: string;
  readonly route?: string[];
  readonly dial?: string[];
  readonly target?: string[];
  readonly ttl: number;
  readonly subject?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

export function addTokenCommand(program: Command): void {
  const command = program
    .command('token')
    .description('Makes a token for an agent, or for a dialer, and prints it.')
    // What stands behind "inspect" is for "inspect".
    .enablePositionalOptions()
    .option('--secret-file <file>', "sign with a shared secret: the broker's --auth-secret-file")
    .option('--key-file <file>', 'sign with a private key, as "fairlead keys" makes one')
    .option('--agent <node>', 'a token for the agent of this node', parseNode)
    .option(
      '--route <routes...>',
      'with --agent: what it may claim to reach: names, addresses, CIDRs, "default"',
    )
    .option(
      '--dial <patterns...>',
      'a token to dial these nodes: names, "*" for any part between dots, such as "edge-*"',
    )
    .option(
      '--target <patterns...>',
      'with --dial: only these HOST:PORT or unix:/PATH; without, whatever the agent allows',
    )
    .option('--subject <name>', 'whom it is for, as logs and agents see it')
    .addOption(
      new Option('--ttl <duration>', 'how long it is good').argParser(parseDuration).default(86_400, '24h'),
    )
    .option('--issuer <name>', "who made it, where the broker's --issuer asks for that")
    .option('--audience <name>', "whom it is shown to, where the broker's --audience asks for that")
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  (umask 077; head -c 32 /dev/urandom | base64 > secret)',
        '  fairlead token --secret-file secret --agent edge-1 > edge-1.token',
        '  fairlead token --secret-file secret --dial "edge-*" --target "127.0.0.1:22" --ttl 8h > me.token',
        '  fairlead token --key-file signing-key.json --agent edge-1 --route 10.0.0.0/8 > edge-1.token',
        '  fairlead token inspect me.token',
      ].join('\n'),
    );
  addLogOption(command, 'warn').action(printToken);
  addInspectCommand(command);
}

async function printToken(options: TokenOptions): Promise<void> {
  const log = await createLog(options);
  if ((options.agent === undefined) === (options.dial === undefined))
    throw new UsageError('a token is for one or the other: add --agent NODE or --dial PATTERN');
  if (options.agent !== undefined && options.target !== undefined)
    throw new UsageError('--target limits a dial token: an agent is limited by its own --allow');
  if (options.dial !== undefined && options.route !== undefined)
    throw new UsageError('--route is what an agent may claim: it goes with --agent');
  const { secretFile, keyFile } = options;
  if ((secretFile === undefined) === (keyFile === undefined))
    throw new UsageError('a token is signed by one of the two: add --secret-file FILE or --key-file FILE');
  const signer =
    secretFile !== undefined
      ? { secret: await readSecret(secretFile, log) }
      : { key: await readPrivate(keyFile ?? '', log) };
  const { subject, issuer, audience } = options;
  const common = { ...signer, ttlSeconds: options.ttl, subject, issuer, audience };
  try {
    const token = await mintToken(
      options.agent !== undefined
        ? { ...common, agent: options.agent, routes: options.route }
        : { ...common, dial: options.dial ?? [], targets: options.target },
    );
    process.stdout.write(`${token}\n`);
  } catch (error) {
    const isKeyFile =
      keyFile !== undefined && error instanceof FairleadError && /private key/.test(error.message);
    throw isKeyFile ? new Failure(`${keyFile}: ${error.message}`) : error;
  }
}
