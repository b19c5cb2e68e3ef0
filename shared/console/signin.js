// Signing in with Microsoft Entra by redirect (authorization code with PKCE). The only file that sees a token; tokens are in
// sessionStorage, where MSAL keeps them, and nowhere else. On one's own machine the same code talks to the local issuer.

// How a token is found (MSAL's CacheLookupPolicy): never in a hidden frame, which the content security policy forbids.
const CACHE_OR_REFRESH_TOKEN = 2;
const REFRESH_TOKEN = 3;

let application;
let account;
let scopes;
let arrived = false;

/** Whoever is signed in; else sends the browser to the sign-in and never returns. Throws where the sign-in failed. */
export async function signedIn(config) {
  scopes = [`${config.clientId}/user_impersonation`]; // by GUID: an app that asks for itself by URI is refused on renewal
  application = new globalThis.msal.PublicClientApplication({
    auth: { clientId: config.clientId, authority: config.authority, redirectUri: home(), ...localAuthority(config) },
    cache: { cacheLocation: "sessionStorage" },
  });
  await application.initialize();
  const returned = await application.handleRedirectPromise();
  arrived = Boolean(returned);
  account = returned?.account ?? application.getAllAccounts()[0];
  if (!account) await signIn();
  return { name: account.name || account.username, objectId: account.idTokenClaims?.oid ?? account.localAccountId };
}

/** Whether this page was opened by a sign-in: another one would give no better token. */
export const hasJustSignedIn = () => arrived;

/** Leaves for the sign-in; the hash of the page is there again afterwards. */
export async function signIn() {
  await application.loginRedirect({ scopes, ...hint() });
  await new Promise(() => {}); // the browser is leaving
}

export async function signOut() {
  await application.logoutRedirect({ account, postLogoutRedirectUri: home() });
}

/** Does a request with a token. `renewed` asks for another one than was used before. */
export async function fetchAs(url, options, renewed = false) {
  const token = await accessToken(renewed);
  return fetch(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
}

async function accessToken(forceRefresh) {
  const cacheLookupPolicy = forceRefresh ? REFRESH_TOKEN : CACHE_OR_REFRESH_TOKEN;
  const wanted = { account, scopes, forceRefresh, cacheLookupPolicy };
  try {
    return (await application.acquireTokenSilent(wanted)).accessToken;
  } catch (error) {
    if (!(error instanceof globalThis.msal.InteractionRequiredAuthError) && !/invalid_grant/.test(error.errorCode)) throw error;
    await signIn();
  }
}

function home() {
  return new URL("./", document.baseURI).href;
}

// MSAL takes no http authority; the endpoints inside this document may be so, and are on this machine alone.
function localAuthority({ local, authority }) {
  if (!local) return {};
  return { knownAuthorities: [new URL(authority).hostname], authorityMetadata: JSON.stringify(local) };
}

// For tests and `dev.py start --open`: ?as=Point.Read signs that person in at the local issuer.
function hint() {
  const as = new URLSearchParams(location.search).get("as");
  return as === null ? {} : { loginHint: as };
}
