//! Unit and property tests of the list of destinations.

use proptest::prelude::*;

use super::*;

fn list(text: &str) -> Destinations {
    Destinations::parse(text).unwrap()
}

fn allows(list: &Destinations, host: &str, address: &str) -> bool {
    list.allows(host, address.parse().unwrap())
}

#[test]
fn nothing_is_allowed_unless_listed() {
    let empty = list("");
    assert!(empty.is_empty() && Destinations::default().is_empty());
    assert_eq!(empty.verdict("db", 5432), Verdict::Refuse);
    assert!(!allows(&empty, "db", "10.0.0.1:5432"));
    assert!(!list("db:1").is_empty());
}

#[test]
fn names_are_allowed_by_name() {
    let list = list("Db.site.:5432,*.lan:22,db.site:80");
    for (host, port, verdict) in [
        ("db.site", 5432, Verdict::Resolve),
        ("DB.SITE.", 5432, Verdict::Resolve),
        ("db.site", 80, Verdict::Resolve),
        ("db.site", 5433, Verdict::Refuse),
        ("a.lan", 22, Verdict::Resolve),
        ("a.b.LAN", 22, Verdict::Resolve),
        ("lan", 22, Verdict::Refuse),
        (".lan", 22, Verdict::Refuse),
        ("alan", 22, Verdict::Refuse),
        ("db.site.evil", 5432, Verdict::Refuse),
        ("10.0.0.1", 5432, Verdict::Refuse),
        ("", 22, Verdict::Refuse),
    ] {
        assert_eq!(list.verdict(host, port), verdict, "{host}:{port}");
    }
    assert!(allows(&list, "db.site", "10.0.0.1:5432"));
    assert!(!allows(&list, "other", "10.0.0.1:5432"));
    assert!(!allows(&list, "db.site", "10.0.0.1:22"));
}

#[test]
fn a_name_that_leads_to_the_machine_itself_is_refused() {
    for listed in ["db:5432", "*.b:5432", "*:5432", "0.0.0.0/0:5432,[::/0]:*"] {
        let list = list(listed);
        for host in ["db", "a.b"] {
            for special in [
                "127.0.0.1",
                "127.8.8.8",
                "[::1]",
                "0.0.0.0",
                "0.1.2.3",
                "[::]",
                "169.254.169.254",
                "[fe80::1]",
                "[fd00:ec2::254]",
                "100.100.100.200",
                "192.0.0.192",
                "168.63.129.16",
                "224.0.0.1",
                "255.255.255.255",
                "[ff02::1]",
                "[::ffff:127.0.0.1]",
                "[64:ff9b::7f00:1]",
                "[64:ff9b::a9fe:a9fe]",
                "[::127.0.0.1]",
                "[2002:7f00:1::]",
            ] {
                assert!(!allows(&list, host, &alloc::format!("{special}:5432")), "{listed}: {host} is {special}");
            }
        }
    }
}

#[test]
fn special_addresses_are_allowed_by_address() {
    let list = list(
        "127.0.0.1:22,[::1]:22,169.254.0.0/16:80,[fe80::/64]:1,[64:ff9b::7f00:1]:9,localhost:7,169.254.169.254:443,[fd00:ec2::254]:80",
    );
    for (host, address, allowed) in [
        ("127.0.0.1", "127.0.0.1:22", true),
        ("rebound", "127.0.0.1:22", true),
        ("x", "127.0.0.2:22", false),
        ("x", "[::ffff:127.0.0.1]:22", true),
        ("::1", "[::1]:22", true),
        ("x", "169.254.1.1:80", true),
        ("x", "169.254.169.254:80", false),
        ("x", "169.254.169.254:443", true),
        ("x", "169.254.1.1:443", false),
        ("x", "[fe80::1]:1", true),
        ("x", "[fe80:0:0:1::1]:1", false),
        ("x", "[64:ff9b::7f00:1]:9", true),
        ("x", "[fd00:ec2::254]:80", true),
        ("localhost", "127.0.0.1:7", true),
        ("LocalHost.", "[::1]:7", true),
        ("localhost", "10.0.0.1:7", false),
        ("other", "127.0.0.1:7", false),
        ("x", "127.0.0.1:0", false),
    ] {
        assert_eq!(allows(&list, host, address), allowed, "{host} is {address}");
    }
    assert_eq!(list.verdict("127.0.0.1", 22), Verdict::Resolve);
    assert_eq!(list.verdict("::1", 22), Verdict::Resolve);
    assert_eq!(list.verdict("127.0.0.2", 22), Verdict::Refuse);
    assert_eq!(list.verdict("any.name", 22), Verdict::Resolve, "it may have an address that is listed");
    assert_eq!(list.verdict("any.name", 23), Verdict::Refuse);
}

#[test]
fn what_systems_take_for_an_address_is_no_name() {
    let list = list("*:*,127.0.0.0/8:*");
    for host in [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0X7f.1",
        "0177.0.0.1",
        "a.0x1",
        "127.0.0.1.",
        "a b",
        "a..b",
        "-",
        "[::1]",
    ] {
        let verdict = if host == "-" { Verdict::Resolve } else { Verdict::Refuse };
        assert_eq!(list.verdict(host, 80), verdict, "{host}");
    }
    assert!(is_name("a_b.example") && is_name("3com.example.") && !is_name(""));
    assert!(!is_name(&["a".repeat(63).as_str(); 4].join(".")) && !is_name(&"a".repeat(64)));
}

#[test]
fn a_list_is_written_as_it_is_read() {
    let text = "*:*,db:5432,*.lan:22,10.0.0.0/8:80,10.1.2.3:*,[fd00::/8]:443,[::1]:22,0.0.0.0/0:9";
    assert_eq!(list(text).to_string(), text);
    assert_eq!(list(" db:1 ,, ").to_string(), "db:1");
    assert_eq!(list("[::ffff:10.0.0.0/104]:1,[::ffff:10.0.0.1]:2").to_string(), "10.0.0.0/8:1,10.0.0.1:2");
    assert_eq!(list("[::/0]:1").to_string(), "[::/0]:1");
}

#[test]
fn what_is_no_entry_is_refused() {
    let port = |entry: &str| DestinationsError::Port(entry.into());
    let host = |entry: &str| DestinationsError::Host(entry.into());
    let bits = |entry: &str| DestinationsError::Bits(entry.into());
    for (text, error) in [
        ("db", port("db")),
        ("db:0", port("db:0")),
        ("db:65536", port("db:65536")),
        ("db:+1", port("db:+1")),
        ("a:1,db:http", port("db:http")),
        (":1", host(":1")),
        ("*lan:1", host("*lan:1")),
        ("*.:1", host("*.:1")),
        ("::1:1", host("::1:1")),
        ("[127.0.0.1]:1", host("[127.0.0.1]:1")),
        ("[::1:1", host("[::1:1")),
        ("db/8:1", host("db/8:1")),
        ("127.1:1", host("127.1:1")),
        ("10.0.0.0/33:1", bits("10.0.0.0/33:1")),
        ("10.0.0.0/+8:1", bits("10.0.0.0/+8:1")),
        ("10.0.0.0/:1", bits("10.0.0.0/:1")),
        ("10.0.0.1/8:1", DestinationsError::HostBits("10.0.0.1/8:1".into())),
    ] {
        assert!(!error.to_string().is_empty());
        assert_eq!(Destinations::parse(text), Err(error), "{text}");
    }
    let many = |count| ["a:1"].repeat(count).join(",");
    assert!(Destinations::parse(&many(MAX_ENTRIES)).is_ok());
    let error = Destinations::parse(&many(MAX_ENTRIES + 1)).unwrap_err();
    assert_eq!((error.clone(), error.to_string()), (DestinationsError::TooMany, "more than 1024 entries".to_string()));
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        (0..SPECIAL.len(), any::<u128>()).prop_map(|(range, bits)| within(SPECIAL[range], bits)),
        any::<u32>().prop_map(|bits| IpAddr::V6(Ipv4Addr::from(bits).to_ipv6_mapped())),
    ]
}

/// An address of `range`, with these bits behind the prefix.
fn within(range: Network, bits: u128) -> IpAddr {
    match range.address {
        IpAddr::V4(address) => {
            let host = (1u64 << (32 - range.bits)) as u32;
            IpAddr::V4((address.to_bits() | (bits as u32 & host.wrapping_sub(1))).into())
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(range.bits.into()).unwrap_or(0);
            IpAddr::V6((address.to_bits() | (bits & host)).into())
        }
    }
}

proptest! {
    /// What is refused by its name before it is looked up is refused by address too.
    #[test]
    fn nothing_that_is_not_looked_up_is_dialled(
        text in "((db|\\*|\\*\\.lan|10\\.0\\.0\\.0/8|127\\.0\\.0\\.1|\\[::1\\]):(22|80|\\*),){0,4}",
        host in "(db|a\\.lan|127\\.0\\.0\\.1|::1|10\\.0\\.0\\.1|x)",
        port in prop_oneof![Just(22u16), Just(80), any::<u16>()],
        address in any_address(),
    ) {
        let list = list(&text);
        let literal = host.parse::<IpAddr>().ok();
        let address = SocketAddr::new(literal.unwrap_or(address), port);
        if list.verdict(&host, port) == Verdict::Refuse {
            prop_assert!(!list.allows(&host, address), "{} allows {} for {}", list, address, host);
        }
    }

    /// No list without an address in it leads to a special one.
    #[test]
    fn names_and_wildcards_never_lead_to_special_addresses(range in 0..SPECIAL.len(), bits: u128, port in 1..=u16::MAX) {
        let special = SocketAddr::new(within(SPECIAL[range], bits), port);
        let list = list("*:*,db:*,*.lan:*,0.0.0.0/0:*,[::/0]:*,10.0.0.0/8:*");
        prop_assert!(!list.allows("db", special) && !list.allows("a.lan", special), "{special}");
    }

    /// An address that is listed itself is allowed, whatever it is, and its neighbours are not.
    #[test]
    fn an_address_that_is_listed_is_allowed(address in any_address(), port in 1..=u16::MAX) {
        let at = SocketAddr::new(address.to_canonical(), port);
        let list = list(&at.to_string());
        prop_assert!(list.allows("x", at) && list.allows("x", SocketAddr::new(address, port)));
        prop_assert_eq!(list.verdict(&address.to_string(), port), Verdict::Resolve);
        let next = match at.ip() {
            IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() ^ 1).into()),
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() ^ 1).into()),
        };
        prop_assert!(!list.allows("x", SocketAddr::new(next, port)));
    }

    /// Any text is a list or an error, and a list is written as one that means the same.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9.:*/,\\[\\] -]{0,40}") {
        if let Ok(list) = Destinations::parse(&text) {
            prop_assert_eq!(Destinations::parse(&list.to_string()), Ok(list));
        }
    }
}
