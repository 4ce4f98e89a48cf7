const maxRefNameBytes = 1024;

/**
 * Whether git takes this as a full ref name: the rules of git-check-ref-format(1), plus our own bound
 * of 1024 bytes.
 */
export function isFullRefName(name: string): boolean {
  if (!name.startsWith('refs/') || Buffer.byteLength(name) > maxRefNameBytes) return false;
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return false;
  if (name.includes('..') || name.includes('@{') || name.endsWith('.')) return false;
  const parts = name.split('/');
  if (parts.length < 3) return false;
  return parts.every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}
