//! The page of how things are as a part of a CloudWatch dashboard.
//!
//! A custom widget's HTML may have styles and SVG, and no script
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html>).

use maud::html;

use crate::live_page::{Shown, sections};
use crate::look::Look;
use crate::page::part;
use crate::text::plain;
use crate::time_format::Zone;

/// Most bytes of an answer. Lambda's own limit is 6 MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), CloudWatch tells none;
/// a browser draws this much again at each refresh without a pause.
pub const MOST_BYTES: usize = 256 * 1024;

/// Pixels that one line of a list takes.
const LINE: u32 = 25;

/// The dashboard's wish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Dark colours.
    pub dark: bool,
    /// Pixels that there are.
    pub width: u32,
    /// The same. What is higher is scrolled.
    pub height: u32,
    /// The reader's clock.
    pub zone: Zone,
}

impl Frame {
    /// What CloudWatch does not tell, or tells out of bounds, is as in this one, or at the bound.
    pub const DEFAULT: Self = Self {
        dark: false,
        width: 1_200,
        height: 900,
        zone: Zone::UTC,
    };

    /// Sizes that a screen may have.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            width: self.width.clamp(200, 4_000),
            height: self.height.clamp(100, 4_000),
            ..self
        }
    }
}

/// How things are, in at most [`MOST_BYTES`]: of long lists there is less where they do not fit.
#[must_use]
pub fn widget(look: &Look, frame: Frame) -> String {
    let frame = frame.bounded();
    let mut lines = usize::try_from(frame.height / LINE).unwrap_or(10).max(10);
    loop {
        let shown = Shown {
            job_pages: false,
            zone: frame.zone,
            lines,
        };
        let as_of = html! {
            p { "As of " (frame.zone.column(look.at, look.at)) " " (frame.zone.name()) }
        };
        let page = part(frame.dark, frame.width, &sections(look, &as_of, shown));
        if page.len() <= MOST_BYTES {
            return page;
        }
        if lines == 0 {
            return trouble(
                "There is more to show than a widget can hold. See it with mayfly dashboard.",
                frame,
            );
        }
        lines /= 2;
    }
}

/// Why there is nothing to show.
#[must_use]
pub fn trouble(why: &str, frame: Frame) -> String {
    let why: String = why.chars().take(2_000).collect();
    part(
        frame.dark,
        frame.bounded().width,
        &html! { p.note { bdi { (plain(&why)) } } },
    )
}
