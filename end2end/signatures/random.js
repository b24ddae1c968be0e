// Random numbers and what is made of them, the same in every run of one seed.

/** Numbers below 2 ** 32 (mulberry32). */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const alphabets = ["abcdefghijklmnopqrstuvwxyz0123456789_-", " \t\r\n\u0000\"\\{}[]:,.", "äßéñøπжש中日한𝄞😀\u2028\ufeff"];

/** A text of up to `longest` characters of all kinds. */
export function text(random, longest) {
  const length = random() % (longest + 1);
  const characters = Array.from({ length }, () => {
    const alphabet = [...alphabets[random() % alphabets.length]];
    return alphabet[random() % alphabet.length];
  });
  return characters.join("");
}

/** A body: JSON of an event that nobody knows, or any text. */
export function body(random) {
  const word = text(random, 60);
  if (random() % 4 === 0) return word;
  return JSON.stringify({ id: `evt_${random()}`, type: `made.up.${random()}`, data: { object: { word, amount: random() } } });
}
