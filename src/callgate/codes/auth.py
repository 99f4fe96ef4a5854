"""Codes of authentication: requests AUTH00x and AUTH01x, hosts and pages AUTH02x, files AUTH03x, commands AUTH04x."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "AUTH001": CodePage(
        "a bearer token is required",
        "The request has no `Authorization: Bearer` header. The gate takes credentials from nowhere else: not from "
        "`X-API-Key`, the query or a cookie. The answer is 401; where tokens are accepted, its `WWW-Authenticate` "
        "says where a client gets one (`resource_metadata`) and with which scopes.",
        "Send `Authorization: Bearer KEY` with a key made by `callgate key new`, or let the client sign in.",
    ),
    "AUTH002": CodePage(
        "malformed Authorization header",
        "There is more than one `Authorization` header, or what stands behind `Bearer` is not one token of at most "
        "8192 letters, digits and `-._~+/=`. The answer is 400.",
        "Send one header with one token, without quotes and without line breaks.",
    ),
    "AUTH003": CodePage(
        "API key not valid",
        "No enabled key of the key file is the one sent. Whether the id exists is not told, and takes no other time "
        "to find out.",
        "Compare the key's id (the part between `cg_` and the next `_`) with `callgate key list -f FILE`; make a "
        "new key if the secret is lost. The gate must have read the file since the key was added.",
    ),
    "AUTH004": CodePage(
        "API key expired",
        "The key is right, but the `expires` of its entry has passed.",
        "Make a new key with `callgate key new` and add its entry; delete the old one.",
    ),
    "AUTH005": CodePage(
        "not a usable token",
        "The bearer token is not a signed JWT in its one strict spelling: three parts of unpadded base64url, JSON "
        "without duplicate keys, no critical extension (`crit`), no encryption, and a `typ` of an access token "
        "(`JWT`, `at+jwt`) or none. Also given if only API keys are accepted.",
        "Send the access token as the authorization server issued it, not a refresh token or a logout token.",
    ),
    "AUTH006": CodePage(
        "algorithm not accepted",
        "The token's `alg` is not one of the `algorithms` configured for its issuer. `none` and the symmetric HS "
        "algorithms are never accepted.",
        "Have the issuer sign with an accepted algorithm, or add the one it uses to `algorithms`.",
    ),
    "AUTH007": CodePage(
        "issuer not accepted",
        "The token's `iss` is not, character for character, a configured `issuer`.",
        "Compare both; a `/` at the end counts.",
    ),
    "AUTH008": CodePage(
        "signing key not known",
        "The issuer's key set has no key with the token's `kid` for its `alg`, or the token names none and there is "
        "not exactly one. If the keys come from a URL, such a token has them fetched again, every 30 seconds at "
        "most, and the answer says so while that is under way.",
        "Try again, or get a new token. If it stays, compare the `kid` with the document at the issuer's JWKS "
        "address; after a change of a key file have the gate read it again.",
    ),
    "AUTH009": CodePage(
        "signature wrong",
        "The signature is not the issuer's over this token: it was changed on the way, made up, or signed by another "
        "key with the same name.",
        "Get a new token. If every token of the issuer fails, its key set is not the one that is configured.",
    ),
    "AUTH010": CodePage(
        "token expired or not valid yet",
        "`exp` has passed (or is missing: a token that never ends is not accepted), or `nbf` or `iat` lies in the "
        "future. Clocks may differ by the configured `leeway`.",
        "Get a new token; check the clocks of the gate and of the issuer.",
    ),
    "AUTH011": CodePage(
        "token meant for another audience",
        "Neither is the configured `audience` in the token's `aud`, nor the address of this upstream "
        "(`<resource>/<name>/mcp`). A token for one service must not open another one.",
        "Have the client ask for a token for this gate (the `resource` parameter of RFC 8707, or the audience "
        "setting of the authorization server).",
    ),
    "AUTH012": CodePage(
        "token does not name its caller",
        "The `identity_claim` is missing, not a text, empty, longer than 256 characters, or holds characters that "
        "cannot be seen.",
        "Choose a claim with `identity_claim` that every token has, such as `sub`.",
    ),
    "AUTH013": CodePage(
        "scope missing",
        "The token is right but lacks one of `required_scopes`. The answer is 403 with the scopes that are needed.",
        "Sign in again and grant the scopes named in `WWW-Authenticate`.",
    ),
    "AUTH014": CodePage(
        "no recent keys of the issuer",
        "The issuer's keys could not be fetched yet, or have not been for an hour. Tokens cannot be verified, so "
        "nobody gets in with one; the answer is 503. API keys go on working.",
        "See the gate's log (AUTH039) for why the key set cannot be fetched. The gate tries again by itself.",
    ),
    "AUTH020": CodePage(
        "host not served here",
        "The `Host` header names neither a loopback address, nor the address that is listened on, nor one of "
        "`listen.hosts`, or it is missing or spelled oddly. A web page can make a browser send requests to a gate on "
        "the same machine under a name of its own (DNS rebinding); this is how such requests are told apart.",
        "Add the name under which clients reach the gate to `listen.hosts`.",
    ),
    "AUTH021": CodePage(
        "origin not allowed",
        "The request comes from a web page (`Origin`) that `listen.origins` does not list. `null` is never allowed.",
        "Add the page's origin, such as `https://app.example.com`, to `listen.origins` if it may call tools.",
    ),
    "AUTH022": CodePage(
        "request from another site",
        "A browser says (`Sec-Fetch-Site`) that a page of another site caused the request, but no `Origin` says "
        "which.",
        "Nothing a client of MCP does leads here. Add the page's origin to `listen.origins` if it is yours.",
    ),
    "AUTH030": CodePage(
        "key file cannot be read",
        "The file named by `keys` does not exist, is not a regular file, or may not be read by this user. If that "
        "happens while the gate runs, the keys it has stay in use.",
        "Check the path and the rights.",
    ),
    "AUTH031": CodePage(
        "others may write to the key file",
        "Whoever can write to the file can add a key and let himself in, so it is not used.",
        "`chmod 600` the file, and let the gate's user own it.",
    ),
    "AUTH032": CodePage(
        "others may read the key file",
        "A warning. The file holds no keys, only hashes from which no key can be found. It tells who has one. "
        "A file that its owner may not write to either (mode 0444, as of mounted secrets) is not warned of.",
        "`chmod 600` the file.",
    ),
    "AUTH033": CodePage(
        "the key file is not as it must be",
        "The file is too large, not YAML as strict as that of policies, or has a key that it must not have; or an "
        "entry lacks `id`, `sha256` or `identity`, or one of its values does not have the form that it must have. The "
        "value is not shown, for it may be a secret in the wrong place.",
        "Make entries with `callgate key new`, which prints one.",
    ),
    "AUTH034": CodePage(
        "two entries for one key",
        "Two entries have the same `id`, or the same `sha256`: which one counts would be a guess.",
        "Delete one. To give somebody a second key, make a new one.",
    ),
    "AUTH035": CodePage(
        "key set cannot be used",
        "The JWKS file cannot be read, is not strict JSON with a list `keys`, is too large, or has no key for any of "
        "the accepted algorithms. Symmetric keys, private keys and RSA keys of less than 2048 bits are never used.",
        "Put the issuer's public keys there, as its JWKS address serves them.",
    ),
    "AUTH036": CodePage(
        "wrong setting of authentication",
        "An issuer, scope, resource or JWKS address holds characters that it must not, is named twice, or is not an "
        "https URL where one is needed.",
        "Correct the setting that the message names.",
    ),
    "AUTH037": CodePage(
        "key of a key set not used",
        "A warning: one key of a JWKS file is symmetric, private, weak, broken, for something else than signatures, "
        "for an algorithm that is not accepted, or shares its `kid` with another.",
        "Nothing, if other keys do; else repair the key set.",
    ),
    "AUTH038": CodePage(
        "new keys fetched",
        "An entry of the log: the key set of an issuer has changed. Every token is verified anew.",
        "Nothing.",
    ),
    "AUTH039": CodePage(
        "keys cannot be fetched",
        "An entry of the log: the key set of an issuer could not be fetched (slow, too large, a redirect, a "
        "certificate that is not trusted, not a usable document). The keys that are there stay in use for an hour "
        "from their last fetch; then AUTH014 is answered.",
        "Open the address from the gate's machine. Redirects are not followed: configure the final address.",
    ),
    "AUTH040": CodePage(
        "wrong option of callgate key",
        "The identity, a claim or the time given to `callgate key new` cannot be used; the message says why.",
        "See `callgate key new --help`.",
    ),
}
