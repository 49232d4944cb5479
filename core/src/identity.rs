//! Who an initiator is: a node, in a cluster, of a tenant.

use core::fmt;

/// The longest name in bytes (reference §1).
pub const MAX_NAME_BYTES: usize = 255;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameError {
    /// It has no bytes.
    Empty,
    /// It is longer than [`MAX_NAME_BYTES`].
    TooLong,
    /// It holds a byte that no HTTP header value may hold (a control character other than tab).
    Illegal,
    /// It begins or ends with a space or a tab, which HTTP takes off a header value on the way (RFC 9110 §5.5).
    Padded,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "exceeds the 255-byte limit for reverse connection identifiers",
            Self::Illegal => "contains characters that are invalid in an HTTP header value",
            Self::Padded => "begins or ends with a space, which an HTTP header does not keep",
        })
    }
}

impl core::error::Error for NameError {}

/// `name`, if it may be sent in an identity header and arrives as it is.
pub(crate) fn legal_name(name: &str) -> Result<&str, NameError> {
    match name {
        "" => Err(NameError::Empty),
        long if long.len() > MAX_NAME_BYTES => Err(NameError::TooLong),
        bad if bad.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) => Err(NameError::Illegal),
        padded if padded.starts_with([' ', '\t']) || padded.ends_with([' ', '\t']) => Err(NameError::Padded),
        good => Ok(good),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a>(&'a str);

        impl<'a> $name<'a> {
            /// Checks the name once, so that nobody has to again.
            ///
            /// # Errors
            /// If it is empty, too long, padded or not fit for an HTTP header.
            pub fn new(name: &'a str) -> Result<Self, NameError> {
                legal_name(name).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub const fn as_str(self) -> &'a str {
                self.0
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
    };
}

name!(/// The id of one initiator process, or of several that stand for each other.
    NodeId);
name!(/// The id of a group of nodes; a request for it goes to any of them.
    ClusterId);
name!(/// The id of a customer; nothing of one tenant is ever reached with another's id.
    TenantId);

/// Who an initiator says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity<'a> {
    /// Which node.
    pub node: NodeId<'a>,
    /// Which cluster the node belongs to.
    pub cluster: ClusterId<'a>,
    /// Which tenant both belong to.
    pub tenant: TenantId<'a>,
}

/// `tenant/cluster/node`, as in logs: what would break a line, or turn the order of what is shown, is escaped.
impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (separator, name) in [("", self.tenant.0), ("/", self.cluster.0), ("/", self.node.0)] {
            f.write_str(separator)?;
            for letter in name.chars() {
                match letter {
                    ' '..='~' => fmt::Write::write_char(f, letter)?,
                    _ => write!(f, "{}", letter.escape_debug())?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_identity_in_a_log_is_one_line_without_bidi_controls() {
        let identity = Identity {
            node: NodeId::new("n\t\u{85}\u{2028}x").expect("legal"),
            cluster: ClusterId::new("\"\u{202e}c").expect("legal"),
            tenant: TenantId::new("Łódź 'a'").expect("legal"),
        };
        assert_eq!(identity.to_string(), "Łódź 'a'/\"\\u{202e}c/n\\t\\u{85}\\u{2028}x");
    }
}
