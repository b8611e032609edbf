// Certificate authorities for tests, made by openssl when they run: nothing that expires is kept in the repository.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rig } from './rig.ts';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export interface Issued {
  /** Paths. */
  readonly cert: string;
  readonly key: string;
}

interface Wishes {
  /** As openssl has it: `/O=…/CN=…`. */
  readonly subject?: string;
  /** As openssl has it: `DNS:…,IP:…,URI:…`. */
  readonly san?: string;
  /** Default: in two days. */
  readonly notAfter?: Date;
  /** Default: for both sides of TLS. */
  readonly usage?: 'serverAuth' | 'clientAuth';
}

async function openssl(rig: Rig, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await rig.run('openssl', args);
  if (code !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  return stdout.toString();
}

export class Authority {
  /** Path of its own certificate. */
  readonly cert: string;
  private readonly rig: Rig;
  private readonly directory: string;

  private constructor(rig: Rig, name: string) {
    this.rig = rig;
    this.directory = rig.path(name);
    this.cert = join(this.directory, 'ca.pem');
  }

  static async create(rig: Rig, name: string): Promise<Authority> {
    const authority = new Authority(rig, name);
    mkdirSync(authority.directory);
    const key = join(authority.directory, 'ca.key');
    await openssl(
      rig,
      ...['req', '-x509', ...newKey, '-days', '2'],
      ...['-keyout', key, '-out', authority.cert, '-subj', `/CN=${name}`],
    );
    rig.write(`${name}/index`, '');
    rig.write(
      `${name}/config`,
      [
        '[ca]\ndefault_ca = here\n[here]',
        `dir = ${authority.directory}`,
        'database = $dir/index\nnew_certs_dir = $dir\nrand_serial = yes\ndefault_md = sha256',
        'certificate = $dir/ca.pem\nprivate_key = $dir/ca.key\npolicy = any\nunique_subject = no',
        '[any]\norganizationName = optional\ncommonName = optional\n',
      ].join('\n'),
    );
    return authority;
  }

  /** A certificate `NAME.pem` and its key `NAME.key` in the rig's directory. */
  async issue(name: string, wishes: Wishes = {}): Promise<Issued> {
    const { rig, directory } = this;
    const { subject = `/CN=${name}`, san, notAfter = new Date(Date.now() + 2 * 86_400_000), usage } = wishes;
    const [cert, key] = [rig.path(`${name}.pem`), rig.path(`${name}.key`)];
    const request = join(directory, 'request');
    await openssl(rig, 'req', ...newKey, '-keyout', key, '-out', request, '-subj', subject);
    const extensions = [`extendedKeyUsage = ${usage ?? 'serverAuth,clientAuth'}`];
    if (san !== undefined) extensions.push(`subjectAltName = ${san}`);
    rig.write('extensions', extensions.join('\n'));
    await openssl(
      rig,
      ...['ca', '-batch', '-notext', '-config', join(directory, 'config'), '-preserveDN'],
      ...['-in', request, '-out', cert, '-extfile', rig.path('extensions')],
      ...['-startdate', stamp(new Date(Date.now() - 3_600_000)), '-enddate', stamp(notAfter)],
    );
    return { cert, key };
  }
}

/** A certificate that vouches for itself. */
export async function selfSigned(rig: Rig, name: string, san: string): Promise<Issued> {
  const [cert, key] = [rig.path(`${name}.pem`), rig.path(`${name}.key`)];
  await openssl(
    rig,
    ...['req', '-x509', ...newKey, '-days', '2', '-keyout', key, '-out', cert],
    ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=${san}`],
  );
  return { cert, key };
}

/** The certificate that a TLS server shows now, in PEM as openssl prints it. */
export async function shownCertificate(rig: Rig, port: number): Promise<string> {
  const { stdout } = await rig.run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`]);
  return /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/.exec(stdout.toString())?.[0] ?? '';
}

/** The first certificate in a file, as {@link shownCertificate} gives it. */
export function certificateIn(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

/** ASN.1 GeneralizedTime, to the second. */
function stamp(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
}
