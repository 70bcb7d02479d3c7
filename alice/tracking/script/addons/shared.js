// What the add-ons share. A place that is not to be looked at, or a field with a secret, is never touched.

const SECRETS =
  '[data-alice-ignore],[type=password],[type=hidden],[autocomplete*="password"i],' +
  '[autocomplete*="cc-"i],[autocomplete*="one-time-code"i]';

const report = (name, data) => push({ type: "event", name: name, data: data });

const secret = new WeakSet(); // a password that is shown was one before

// Into an open shadow root the path goes; of a closed one nothing but its host is seen, and that is all that is said.
const listen = (type, action) =>
  on(type, (event) => {
    const path = event.composedPath();
    const target = path[0];
    if (path.some((element) => element.matches?.(SECRETS))) secret.add(target);
    else if (!secret.has(target)) action(target, path);
  });
