// Counts a caption's tokens a moment after the last change, and shows where its parts end.
// Runs once a component, with `element`, `props`, `server` and `watch` from Gradio.

const line = element.querySelector(".ldm-tokens");
const PAUSE = 250; // milliseconds without a keystroke
let asked = 0;
let timer = null;

function show(count, text) {
  line.replaceChildren();
  if (!count) return;
  const several = count.ends.length > 1;
  const said = document.createElement("span");
  said.dataset.say = several ? "tokens_chunks" : "tokens";
  const values = { tokens: count.tokens, limit: count.limit, chunks: count.ends.length };
  said.dataset.with = JSON.stringify(values);
  said.textContent = several
    ? `${values.tokens} tokens, read in ${values.chunks} parts:`
    : `${values.tokens} of ${values.limit} tokens`;
  line.append(said);
  if (!several) return;
  const characters = Array.from(text); // the ends are counted in whole characters
  let start = 0;
  for (const end of count.ends) {
    const piece = document.createElement("mark");
    piece.textContent = characters.slice(start, end).join("").trim();
    line.append(" ", piece);
    start = end;
  }
}

async function count() {
  const turn = ++asked;
  const { text, model } = props.value;
  try {
    const answer = await server.count_tokens({ text, model });
    if (turn === asked) show(answer, text);
  } catch {
    if (turn === asked) show(null, text); // without the connection nothing is claimed
  }
}

watch("value", () => {
  clearTimeout(timer);
  timer = setTimeout(count, PAUSE);
});
count();
