// What the reading page tells the server. A report outlives the page that sends it (keepalive).

export const DELIVERED = "delivered";
export const REFUSED = "refused";
export const SIGNED_OUT = "signed out";
export const FAILED = "failed";

const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 30_000;
const TRY_AGAIN = new Set([408, 425, 429]);

/** Posts once and returns one of the four outcomes above; never throws. */
export async function post(url, body) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      keepalive: true,
    });
  } catch {
    return FAILED;
  }
  if (answer.ok) return DELIVERED;
  if (answer.status === 401) return SIGNED_OUT;
  return answer.status < 500 && !TRY_AGAIN.has(answer.status) ? REFUSED : FAILED;
}

/** Posts until it is delivered or refused; `told` hears of each outcome. Sending twice must be harmless. */
export async function insist(url, body, told) {
  for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    const outcome = await post(url, body);
    told(outcome);
    if (outcome !== FAILED) return outcome;
    await pause(wait);
  }
}

/** Until the time is over or the network is back. */
function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    addEventListener("online", resolve, { once: true });
  });
}
