// Counts a caption's tokens a moment after the last change, shows where its parts end, and names words
// that the model never learned; a press puts the nearest one that it has in such a word's place.
// Runs once a component, with `element`, `props`, `server` and `watch` from Gradio.

const line = element.querySelector(".ldm-tokens");
const open = element.querySelector(".ldm-open");
const unknown = element.querySelector(".ldm-unknown");
const PAUSE = 250; // milliseconds without a keystroke
let asked = 0;
let timer = null;

function show(count) {
  line.replaceChildren();
  open.hidden = !count?.open;
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
  const characters = Array.from(count.counted); // the ends are counted in whole characters
  let start = 0;
  for (const end of count.ends) {
    const piece = document.createElement("mark");
    piece.textContent = characters.slice(start, end).join("").trim();
    line.append(" ", piece);
    start = end;
  }
}

function replaceInCaption(word, nearest) {
  const caption = element.closest(".ldm-ask").querySelector("textarea");
  const whole = new RegExp(`(?<![\\p{L}\\p{N}])${word.replace("'", "['’]")}(?![\\p{L}\\p{N}])`, "giu");
  caption.value = caption.value.replace(whole, nearest);
  caption.dispatchEvent(new Event("input", { bubbles: true }));
  caption.focus();
}

function nameUnknown(words) {
  unknown.hidden = !words.length;
  unknown.replaceChildren();
  if (!words.length) return;
  const said = document.createElement("span");
  said.dataset.say = "unknown_words";
  said.textContent = "This model never learned:";
  unknown.append(said);
  for (const [index, [word, nearest]] of words.entries()) {
    const named = document.createElement("b");
    named.textContent = word;
    unknown.append(index ? ", " : " ", named);
    if (!nearest) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${nearest}?`;
    button.addEventListener("click", () => replaceInCaption(word, nearest));
    unknown.append(" ", button);
  }
}

async function count() {
  const turn = ++asked;
  const { text, model } = props.value;
  try {
    const answer = await server.count_tokens({ text, model });
    if (turn !== asked) return;
    show(answer);
    nameUnknown(answer?.unknown ?? []);
  } catch {
    if (turn !== asked) return;
    show(null); // without the connection nothing is claimed
    nameUnknown([]);
  }
}

watch("value", () => {
  clearTimeout(timer);
  timer = setTimeout(count, PAUSE);
});
count();
