------------------------------ MODULE Handover ------------------------------
(***************************************************************************)
(* The bytes of one connection, at both ends, cut and run together in any  *)
(* way: head, pings and echoes, then whatever HTTP says.                   *)
(*                                                                         *)
(*                 answering --------> idle ---------------> in use        *)
(*    initiator    200 read in full    first data, protocol known          *)
(*    responder    request read        somebody has a request              *)
(*                 greeting ---------> idle ---------------> in use        *)
(*                                                                         *)
(* `Feed` is core/src/rping.rs, `Protocol` core/src/h2frame.rs; the heads  *)
(* are found by core/src/handshake; who writes what when is                *)
(* runtime/src/{initiator,responder}/tunnel.rs and runtime/src/tunnel_io.rs*)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS Questions,  \* what the responder may say in HTTP, as sequences of bytes
          Answers,    \* what the initiator may
          Pings,      \* how many pings there may be
          Bug         \* "none", or the name of a mistake to plant

VARIABLES up, down,   \* bytes under way
          initiator, responder

vars == <<up, down, initiator, responder>>

PING    == <<"R", "P", "I", "N", "G">>
PREFACE == <<"P", "R", "I">>         \* as long as it has to be to begin like other requests
LEAVING == <<"s", "g">>              \* SETTINGS, GOAWAY
HEAD    == <<"h", "e">>              \* a head is over where its last byte is
GOODBYE == PREFACE \o LEAVING

Init ==
  /\ up = HEAD                       \* the initiator has just sent its request
  /\ down = <<>>
  /\ \E says \in Answers :
       initiator = [phase |-> "answering", head |-> <<>>, held |-> 0, first |-> <<>>, protocol |-> "unknown",
                    says |-> says, said |-> <<>>, heard |-> <<>>, echoes |-> 0, leaving |-> FALSE]
  /\ \E says \in Questions :
       responder = [phase |-> "greeting", head |-> <<>>, held |-> 0, passed |-> FALSE,
                    says |-> says, said |-> <<>>, heard |-> <<>>, pings |-> 0, echoes |-> 0, awaiting |-> FALSE]

(***************************************************************************)
(* The two filters                                                         *)
(***************************************************************************)
\* Pings at the front of `bytes`, `held` bytes of one having come before; and the data that they end in.
RECURSIVE Feed(_, _)
Feed(held, bytes) ==
  IF bytes = <<>>
  THEN [pings |-> 0, held |-> held, data |-> <<>>]
  ELSE IF Head(bytes) # PING[held + 1]
  THEN [pings |-> 0, held |-> 0, data |-> IF Bug = "HeldLost" THEN bytes ELSE SubSeq(PING, 1, held) \o bytes]
  ELSE IF held + 1 < Len(PING)
  THEN Feed(held + 1, Tail(bytes))
  ELSE LET rest == Feed(0, Tail(bytes)) IN [rest EXCEPT !.pings = @ + 1]

IsPrefix(one, other) == Len(one) <= Len(other) /\ SubSeq(other, 1, Len(one)) = one

Protocol(first) ==
  CASE IsPrefix(PREFACE, first) -> "http2"
    [] IsPrefix(first, PREFACE) -> "unknown"
    [] OTHER                    -> "http1"

\* Where the head ends in `bytes`, or 0.
EndOfHead(bytes) == IF IsPrefix(HEAD, bytes) THEN Len(HEAD) ELSE 0
From(bytes, i) == SubSeq(bytes, i, Len(bytes))

(***************************************************************************)
(* The initiator's end                                                     *)
(***************************************************************************)
RECURSIVE Repeat(_, _)
Repeat(bytes, times) == IF times = 0 THEN <<>> ELSE bytes \o Repeat(bytes, times - 1)

\* Bytes come to an initiator that is not in use: an echo for each ping, in one write each, and data is kept until it
\* is clear what it is. HTTP then hears all of it, and answers.
Take(end, bytes) ==
  LET fed    == IF end.first = <<>> THEN Feed(end.held, bytes) ELSE [pings |-> 0, held |-> 0, data |-> bytes]
      first  == end.first \o fed.data
      echoes == CASE end.leaving /\ Bug # "EchoAfterGoodbye" -> 0
                  [] Bug = "EchoPerRead"                     -> 1
                  [] OTHER                                   -> fed.pings
      kept   == [end EXCEPT !.phase = "idle", !.held = fed.held, !.first = first, !.echoes = @ + echoes]
  IN /\ initiator' = IF first = <<>> \/ Protocol(first) = "unknown"
                     THEN kept
                     ELSE [kept EXCEPT !.phase = "inuse", !.protocol = Protocol(first), !.first = <<>>,
                                       !.heard = first, !.said = @ \o end.says]
     /\ up' = up \o Repeat(PING, echoes) \o (IF initiator'.phase = "inuse" THEN end.says ELSE <<>>)

\* The head of the answer; what came with it belongs to the tunnel.
AnswerRead(bytes) ==
  LET head == initiator.head \o bytes
      end  == EndOfHead(head)
      rest == IF Bug = "RestLost" THEN <<>> ELSE From(head, end + 1)
  IN IF end = 0
     THEN initiator' = [initiator EXCEPT !.head = head] /\ UNCHANGED up
     ELSE Take([initiator EXCEPT !.head = <<>>], rest)

ReadDown ==
  \E count \in 1..Len(down) :
    LET bytes == SubSeq(down, 1, count)
    IN /\ down' = From(down, count + 1)
       /\ UNCHANGED responder
       /\ CASE initiator.phase = "answering" -> AnswerRead(bytes)
            [] initiator.phase = "idle"      -> Take(initiator, bytes)
            [] initiator.phase = "inuse"     -> initiator' = [initiator EXCEPT !.heard = @ \o bytes] /\ UNCHANGED up

\* An initiator that leaves says so on a tunnel never used. A request that has begun to arrive is served.
Leave ==
  /\ initiator.phase = "idle" /\ ~initiator.leaving
  /\ LET words == IF initiator.first = <<>> THEN LEAVING ELSE <<>>
     IN /\ initiator' = [initiator EXCEPT !.leaving = TRUE, !.said = @ \o words]
        /\ up' = up \o words
  /\ UNCHANGED <<down, responder>>

(***************************************************************************)
(* The responder's end                                                     *)
(***************************************************************************)
\* What comes with the request is thrown away: an initiator has nothing to say before the answer.
RequestRead(bytes) ==
  LET head == responder.head \o bytes
  IN IF EndOfHead(head) = 0
     THEN responder' = [responder EXCEPT !.head = head] /\ UNCHANGED down
     ELSE /\ responder' = [responder EXCEPT !.phase = "idle", !.head = <<>>]
          /\ down' = down \o HEAD

\* Echoes are taken out until the first byte that is none; late ones also of a tunnel in use.
EchoesRead(bytes) ==
  LET late == responder.phase = "inuse" /\ Bug = "LateEchoPassed"
      fed  == IF responder.passed \/ late
              THEN [pings |-> 0, held |-> 0, data |-> bytes]
              ELSE Feed(responder.held, bytes)
  IN /\ responder' = [responder EXCEPT !.held = fed.held, !.passed = @ \/ fed.data # <<>>,
                                       !.heard = @ \o fed.data, !.echoes = @ + fed.pings,
                                       !.awaiting = @ /\ fed.pings = 0]
     /\ UNCHANGED down

ReadUp ==
  \E count \in 1..Len(up) :
    LET bytes == SubSeq(up, 1, count)
    IN /\ up' = From(up, count + 1)
       /\ UNCHANGED initiator
       /\ IF responder.phase = "greeting" THEN RequestRead(bytes) ELSE EchoesRead(bytes)

\* One write, and not before the one before is echoed. An initiator that has said goodbye is not pinged any more.
Ping ==
  /\ responder.phase = "idle" /\ ~responder.passed
  /\ responder.pings < Pings
  /\ (~responder.awaiting \/ Bug = "ImpatientPing")
  /\ responder' = [responder EXCEPT !.pings = @ + 1, !.awaiting = TRUE]
  /\ down' = down \o PING
  /\ UNCHANGED <<up, initiator>>

\* Somebody has a request; or the tunnel is let go unused, which is a few bytes of HTTP/2, too.
CanSpeak == responder.phase = "idle" /\ ~responder.passed
Say(words) ==
  /\ responder' = [responder EXCEPT !.phase = "inuse", !.said = words]
  /\ down' = down \o words
  /\ UNCHANGED <<up, initiator>>
Start == CanSpeak /\ Say(responder.says)
LetGo == CanSpeak /\ Say(GOODBYE)

Next == \/ ReadDown \/ ReadUp \/ Ping \/ Start \/ LetGo \/ Leave

Spec == Init /\ [][Next]_vars

\* What was sent is read, be it byte by byte.
FairSpec == Spec /\ WF_vars(ReadDown) /\ WF_vars(ReadUp)

(***************************************************************************)
(* Properties                                                              *)
(***************************************************************************)
\* S10: HTTP hears, at either end, what HTTP said at the other: from its first byte on, in order, nothing of the head
\* and of pings, and nothing missing in between.
ByteExactHandover ==
  /\ IsPrefix(initiator.heard, responder.said)
  /\ IsPrefix(responder.heard, initiator.said)
  /\ initiator.protocol # "unknown" => initiator.protocol = Protocol(responder.said)

\* The other half of S10: with nothing under way, nothing is kept back but what can still become something else.
NothingKeptBack ==
  down = <<>> /\ responder.phase # "greeting" =>
    \/ initiator.heard = responder.said
    \/ initiator.heard = <<>> /\ Protocol(responder.said) = "unknown"

\* S11: no more than one ping is unanswered, and no ping is echoed twice.
PingExact ==
  /\ initiator.echoes <= responder.pings
  /\ responder.echoes <= initiator.echoes
  /\ responder.pings <= responder.echoes + 1

\* The other half of S11: every ping is echoed, and every echo is known for one, unless one end has said goodbye.
PingsEchoed ==
  up = <<>> /\ down = <<>> /\ ~initiator.leaving =>
    initiator.echoes = responder.pings /\ responder.echoes = responder.pings

\* S10, as a promise: whatever HTTP says is heard in the end, at either end.
AllHeard ==
  /\ responder.phase = "inuse" ~> initiator.heard = responder.said
  /\ initiator.phase = "inuse" ~> responder.heard = initiator.said

(***************************************************************************)
(* What must be reachable: each of these is to be violated.                *)
(***************************************************************************)
ReachTogether  == ~(initiator.phase = "answering" /\ down = HEAD \o PING \o responder.says /\ responder.phase = "inuse")
ReachHeld      == initiator.held < Len(PING) - 1
ReachLateEcho  == ~(responder.phase = "inuse" /\ responder.awaiting /\ responder.held > 0)
ReachCrossing  == ~(responder.phase = "inuse" /\ responder.heard = <<>> /\ Len(initiator.said) > Len(LEAVING))
ReachUndecided == initiator.first = <<>>
=============================================================================
