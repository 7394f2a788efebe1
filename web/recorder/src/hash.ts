/** SHA-256 in hexadecimal digits. Browsers offer it only on https and on localhost. */
export async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const pairs = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0"));
  return pairs.join("");
}
