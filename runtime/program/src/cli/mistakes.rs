//! What a user is told of a command line that cannot be understood: one line.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is told where there is no subcommand.
pub(super) const NOTHING_TO_DO: &str = "nothing to do: give a subcommand; see revtun --help";

/// What clap spreads over paragraphs, with its suggestion but without its preamble and its epilogue.
pub(super) fn one_line(error: &clap::Error) -> String {
    let kind = error.kind();
    if matches!(kind, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return NOTHING_TO_DO.to_owned();
    }
    let unknown = match kind == ErrorKind::UnknownArgument {
        true => context(error, ContextKind::InvalidArg).map(|flag| match flag.starts_with('-') {
            true => format!("unknown flag {flag}"),
            false => format!("unexpected argument {flag:?}"),
        }),
        false => context(error, ContextKind::InvalidSubcommand).map(|name| format!("unknown subcommand {name}")),
    };
    let what = unknown.unwrap_or_else(|| first_paragraph(error));
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
    match suggestion.into_iter().find_map(|kind| context(error, kind)) {
        Some(near) => format!("{what}; did you mean {near}?"),
        None => format!("{what}; see {} --help", asked(error)),
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let value = error.get(kind)?;
    let text = if let ContextValue::Strings(texts) = value {
        // The likeliest comes last.
        texts.last()?
    } else if let ContextValue::String(text) = value {
        text
    } else {
        return None;
    };
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.split("\n\n").next().unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The command that was understood: `revtun`, or `revtun` and a subcommand.
fn asked(error: &clap::Error) -> String {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let words = usage.split_whitespace().skip_while(|word| *word != "revtun");
    let words: Vec<_> = words.take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())).collect();
    if words.is_empty() { "revtun".to_owned() } else { words.join(" ") }
}
