// Carries messages of the page's script to the server (ldm/ui/courier.py).
// Runs once, with `props`, `trigger` and `upload` from Gradio. A message's `blob` is sent as a file.

let turn = 0;
window.ldmSend = async ({ blob, name, ...message }) => {
  if (blob) {
    const { path } = await upload(new File([blob], name ?? "picture.png", { type: blob.type || "image/png" }));
    message.file = { path };
  }
  props.value = { ...message, turn: ++turn };
  trigger("change");
};
window.dispatchEvent(new Event("ldm-courier"));
