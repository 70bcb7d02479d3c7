// Shared by the add-ons. Elements in data-alice-ignore and fields with secrets are never reported.

const SECRETS =
  '[data-alice-ignore],[type=password],[type=hidden],[autocomplete*="password"i],' +
  '[autocomplete*="cc-"i],[autocomplete*="one-time-code"i]';

const report = (name, data) => push({ type: "event", name: name, data: data });

const secret = new WeakSet(); // targets seen as secret: a password field that is shown changes its type

// The path includes elements in open shadow roots. Of a closed shadow root only the host is seen and reported.
const listen = (type, action) =>
  on(type, (event) => {
    const path = event.composedPath();
    const target = path[0];
    if (path.some((element) => element.matches?.(SECRETS))) secret.add(target);
    else if (!secret.has(target)) action(target, path);
  });
