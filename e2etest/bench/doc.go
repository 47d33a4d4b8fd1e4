// Package bench measures what the product promises in figures and holds each
// figure against its bar.
//
// A [Figure] is one promise: a name, a unit, a bar, and perhaps a peer that is
// measured beside it. A [Rig] measures several figures together, round after
// round, ours and the peer's in turn, so that both meet the same moments of a
// busy machine. The median of the rounds counts, if the figure does not ask for
// their largest or their total; a ratio is the median of the
// rounds' own ratios, since only the two sides of one round had the same
// conditions.
//
// Everything in this package but [Run] and [Record] is pure; what starts
// processes lives in the packages below it.
package bench
