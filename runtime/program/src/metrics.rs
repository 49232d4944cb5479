//! Writes metrics in Prometheus' text format, version 0.0.4.

use std::fmt::Write;

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics that is being written. The values of labels must come from a bounded set, never from a peer.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a metric that only grows. Its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// Begins a metric that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// The page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { page: self, name }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes whatever is written");
    }
}

/// One metric; its samples differ in their labels.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// The only sample.
    pub fn value(self, value: u64) {
        let name = self.name;
        self.page.write(format_args!("{name} {value}\n"));
    }

    /// One sample for each value of `label`.
    pub fn by(self, label: &str, samples: impl IntoIterator<Item = (impl AsRef<str>, u64)>) {
        let name = self.name;
        for (text, value) in samples {
            let text = text.as_ref().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.page.write(format_args!("{name}{{{label}=\"{text}\"}} {value}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_byte_by_byte_as_the_format_says() {
        let mut page = Exposition::default();
        page.gauge("revtun_tunnels", "Tunnels, by \\ stage.").by("stage", [("idle", 2), ("a\"b\\c\nd", 0)]);
        page.counter("revtun_dials_total", "Dials.").value(7);
        let expected = "# HELP revtun_tunnels Tunnels, by \\\\ stage.\n\
                        # TYPE revtun_tunnels gauge\n\
                        revtun_tunnels{stage=\"idle\"} 2\n\
                        revtun_tunnels{stage=\"a\\\"b\\\\c\\nd\"} 0\n\
                        # HELP revtun_dials_total Dials.\n\
                        # TYPE revtun_dials_total counter\n\
                        revtun_dials_total 7\n";
        assert_eq!(page.into_text(), expected);
    }
}
