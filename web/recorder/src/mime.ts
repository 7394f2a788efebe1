/** The formats in the order in which they are tried. */
const WEBM = [
  "video/webm;codecs=vp8,opus",
  "video/webm;codecs=vp9,opus",
  "video/webm",
];
const MP4 = [
  "video/mp4;codecs=avc1.42E01E,mp4a.40.2",
  "video/mp4;codecs=avc1.42E01E,opus",
  "video/mp4",
];

/** Safari says that it records WebM, and what it writes cannot be relied on: it gets MP4. */
export function isSafari(userAgent: string): boolean {
  const webkit = /AppleWebKit/.test(userAgent) && /Version\/[\d.]+.*Safari/.test(userAgent);
  const onIos = /iPhone|iPad|iPod/.test(userAgent);
  return webkit || onIos;
}

/**
 * The first format that this browser says it can record.
 *
 * @param supported what `MediaRecorder.isTypeSupported` answers
 * @param userAgent `navigator.userAgent`
 * @returns a MIME type with codecs, or "" to leave the choice to the browser
 */
export function chooseMime(supported: (mime: string) => boolean, userAgent: string): string {
  const order = isSafari(userAgent) ? [...MP4, ...WEBM] : [...WEBM, ...MP4];
  return order.find(supported) ?? "";
}
