// A certificate for loopback, its own authority, for the subjects that speak TLS.

import type { Processes } from '../processes.ts';

export function makeCertificate(processes: Processes, name: string): { cert: string; key: string } {
  const [cert, key] = [processes.path(`${name}.cert.pem`), processes.path(`${name}.key.pem`)];
  processes.run(
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  );
  return { cert, key };
}
