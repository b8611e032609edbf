// What is wrong with a certificate that the other side of TLS showed, in words, from the codes that OpenSSL and Node
// have for it.

const untrusted = 'no authority that is trusted here has issued it';

const problems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet: is the clock right?',
  CERT_REVOKED: 'its authority has revoked it',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  CERT_UNTRUSTED: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed, and not trusted here',
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  INVALID_CA: 'what has issued it is no authority',
  INVALID_PURPOSE: 'it is for something else (extended key usage)',
};

/** Undefined where the code is not about a certificate. */
export function certificateProblem(code: unknown): string | undefined {
  return typeof code === 'string' && Object.hasOwn(problems, code) ? problems[code] : undefined;
}
