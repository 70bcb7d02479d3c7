// What the add-ons share. A place that is not to be looked at, or a field with a secret, is never touched.

const SECRETS =
  '[data-alice-ignore],[type=password],[type=hidden],[autocomplete*="password"i],' +
  '[autocomplete*="cc-"i],[autocomplete*="one-time-code"i]';

const report = (name, data) => push({ type: "event", name: name, data: data });

const secret = new WeakSet(); // a password that is shown was one before

const listen = (type, action) =>
  on(type, (event) => {
    const target = event.target;
    if (target.closest(SECRETS)) secret.add(target);
    else if (!secret.has(target)) action(target);
  });
