// What stays on this machine, and so may go unencrypted.

/** Four numbers up to 255. */
const loopback4 = /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/** True for `localhost`, 127.0.0.0/8 and `::1`, in brackets or not. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || loopback4.test(host);
}
