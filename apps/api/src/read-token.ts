/**
 * Reads the token of an `Authorization` header: `Bearer <token>`, or `Basic` with the token as the password, whatever
 * the user name says. Undefined if there is none. Source: RFC 9110 §11.4 (the scheme's case does not matter), RFC 7617.
 */
export function readToken(authorization: string | undefined): PresentedToken | undefined {
  const [, scheme = '', value = ''] =
    /^([a-z]+) +([\w.~+/=-]{1,1024})$/i.exec(authorization?.trim() ?? '') ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { scheme: 'bearer', token: value };
    case 'basic': {
      const [, token = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(value, 'base64').toString()) ?? [];
      return token === '' ? undefined : { scheme: 'basic', token };
    }
    default:
      return undefined;
  }
}

export interface PresentedToken {
  readonly scheme: 'bearer' | 'basic';
  readonly token: string;
}
