--------------------------- MODULE HandoverWorlds ---------------------------
(***************************************************************************)
(* What HTTP may say: words that begin like a ping, or hold one.           *)
(***************************************************************************)
EXTENDS Handover

Http2  == PREFACE \o <<"s", "r">>
Put    == <<"P", "U", "T">>
Report == <<"R", "P", "I", "N", "x">>     \* a method that nearly is a ping
Inside == PREFACE \o PING                 \* a ping within data is data
Again  == <<"R", "R", "P">>               \* a ping that seems to begin, and another

AnyQuestion == {Http2, Put, Report, Inside, Again}
AnyAnswer   == {<<"s", "a">>, <<"R", "s">>, <<"x">> \o PING, <<"R", "P", "R", "P">>}
OneQuestion == {Http2}
OneAnswer   == {<<"s">>}
=============================================================================
