// Posts reports to the server. A request continues after its page is closed (keepalive).

export const DELIVERED = "delivered";
export const REFUSED = "refused";
export const SIGNED_OUT = "signed out";
export const FAILED = "failed";

const FIRST_WAIT = 2_000; // ms
const LONGEST_WAIT = 30_000; // ms
const TRY_AGAIN = new Set([408, 425, 429]);

/** Posts once and returns one of the four outcomes above; never throws. */
export async function post(url, body) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      keepalive: true,
    });
  } catch {
    return FAILED;
  }
  if (response.ok) return DELIVERED;
  if (response.status === 401) return SIGNED_OUT;
  return response.status < 500 && !TRY_AGAIN.has(response.status) ? REFUSED : FAILED;
}

/**
 * Posts again and again while the outcome is FAILED; returns the last outcome. Calls `onOutcome` with each. The
 * request must be idempotent, as it may arrive twice.
 */
export async function insist(url, body, onOutcome) {
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    const outcome = await post(url, body);
    onOutcome(outcome);
    if (outcome !== FAILED) return outcome;
    await pause(wait);
  }
}

/** Resolves after `ms` milliseconds, or as soon as the network is back. */
function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    addEventListener("online", resolve, { once: true });
  });
}
