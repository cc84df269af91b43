"""The page's colours, type and shapes as a Gradio theme: system fonts, one accent, light and dark.

What a theme cannot say (the grid, the easel, the stage) stands in `assets/app.css`.
"""

from gradio.themes import Base
from gradio.themes.utils import colors, sizes

# Neutrals with a breath of green, so that pictures of any colour sit well on them.
STONE = colors.Color(
    name="stone",
    c50="#f7f8f7",
    c100="#eff2f0",
    c200="#dfe5e2",
    c300="#c6cfcb",
    c400="#94a19c",
    c500="#667570",
    c600="#4d5b56",
    c700="#37433f",
    c800="#222b28",
    c900="#161d1b",
    c950="#0f1413",
)
PINE = colors.Color(
    name="pine",
    c50="#eef8f5",
    c100="#d5eee7",
    c200="#addcd0",
    c300="#7cc5b4",
    c400="#4dab97",
    c500="#2a8f7b",
    c600="#157361",
    c700="#0f5c4e",
    c800="#0f4a40",
    c900="#0e3d35",
    c950="#062420",
)
# Each system's own face, nothing fetched; what has none of these has Arial or its twin.
SANS = ("-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "Liberation Mono", "monospace")


class Calm(Base):
    """Quiet surfaces, generous spacing, pine for the one thing to press."""

    def __init__(self) -> None:
        super().__init__(
            primary_hue=PINE,
            secondary_hue=PINE,
            neutral_hue=STONE,
            spacing_size=sizes.spacing_md,
            radius_size=sizes.radius_md,
            text_size=sizes.text_md,
            font=[*SANS],
            font_mono=[*MONO],
        )
        self.name = "calm"
        super().set(
            body_background_fill="*neutral_50",
            body_background_fill_dark="*neutral_950",
            body_text_color="*neutral_900",
            body_text_color_dark="#e7edea",
            body_text_color_subdued="*neutral_500",
            body_text_color_subdued_dark="#9aa8a3",
            background_fill_primary="#ffffff",
            background_fill_primary_dark="*neutral_900",
            background_fill_secondary="*neutral_50",
            background_fill_secondary_dark="*neutral_950",
            border_color_primary="*neutral_200",
            border_color_primary_dark="#2b3632",
            block_background_fill="transparent",
            block_background_fill_dark="transparent",
            block_label_background_fill_dark="transparent",
            checkbox_label_background_fill_dark="transparent",
            border_color_accent_dark="*primary_500",
            block_border_width="0px",
            block_padding="0px",
            block_shadow="none",
            block_label_background_fill="transparent",
            block_title_text_weight="550",
            block_title_text_size="14px",
            block_title_text_color="*neutral_800",
            block_title_text_color_dark="#d5deda",
            block_info_text_size="13px",
            block_info_text_color="*neutral_500",
            block_info_text_color_dark="#9aa8a3",
            form_gap_width="0px",
            layout_gap="20px",
            input_background_fill="#ffffff",
            input_background_fill_dark="*neutral_900",
            input_border_color="*neutral_300",
            input_border_color_dark="#38443f",
            input_border_color_focus="*primary_600",
            input_border_color_focus_dark="*primary_400",
            input_border_width="1px",
            input_shadow="none",
            input_shadow_focus="0 0 0 3px rgba(42, 143, 123, 0.22)",
            input_shadow_focus_dark="0 0 0 3px rgba(77, 171, 151, 0.28)",
            input_placeholder_color="*neutral_500",
            input_placeholder_color_dark="#8b9994",
            input_radius="10px",
            input_padding="10px 12px",
            button_large_radius="10px",
            button_medium_radius="10px",
            button_small_radius="8px",
            button_large_text_weight="600",
            button_primary_background_fill="*primary_600",
            button_primary_background_fill_hover="*primary_700",
            button_primary_text_color="#ffffff",
            button_primary_background_fill_dark="*primary_400",
            button_primary_background_fill_hover_dark="*primary_300",
            button_primary_text_color_dark="*neutral_950",
            button_primary_border_color="transparent",
            button_primary_border_color_dark="transparent",
            button_secondary_background_fill="transparent",
            button_secondary_background_fill_dark="transparent",
            button_secondary_background_fill_hover="*neutral_100",
            button_secondary_background_fill_hover_dark="*neutral_800",
            button_secondary_border_color="*neutral_300",
            button_secondary_border_color_dark="#38443f",
            button_secondary_text_color="*neutral_800",
            button_secondary_text_color_dark="#d5deda",
            button_border_width="1px",
            button_transition="background-color 120ms, border-color 120ms, color 120ms",
            slider_color="*primary_600",
            slider_color_dark="*primary_400",
            checkbox_background_color_selected="*primary_600",
            checkbox_background_color_selected_dark="*primary_500",
            checkbox_border_color_selected="*primary_600",
            checkbox_border_color_selected_dark="*primary_500",
            checkbox_label_background_fill="transparent",
            checkbox_label_border_width="0px",
            checkbox_label_padding="0px",
            link_text_color="*primary_700",
            link_text_color_dark="*primary_300",
            color_accent="*primary_600",
            color_accent_soft="*primary_50",
            color_accent_soft_dark="*primary_950",
        )
