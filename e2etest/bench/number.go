package bench

import (
	"math"
	"slices"
	"strconv"
)

// Median is the middle of the values, or the mean of the two in the middle;
// NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Percentile is the smallest value that at least p percent of the values do
// not exceed (nearest rank); NaN of none.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// number is v with four significant digits, at most three after the point;
// "-" for what was not measured.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	digits := 3
	if abs := math.Abs(v); abs >= 1 {
		digits = max(0, 3-int(math.Floor(math.Log10(abs))))
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// plain is v with as many digits as it has.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
