/** TLS identities of the server. */
export {
  generateServerCertificate,
  type GenerateCertificateOptions,
  type ServerCertificate,
} from "./generate-certificate.ts";
export { openServerTls, type ServerTls, type ServerTlsOptions } from "./server-tls.ts";
