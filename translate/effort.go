package translate

// Budget and effort bridge formats that bound thinking in tokens and formats
// that name a level. The numbers are those that Google and Anthropic document
// for their own compatibility layers.

// EffortBudget returns the thinking budget that an effort stands for, in
// tokens: 0 for "none", -1 (leave it to the model) for an unknown word.
func EffortBudget(effort string) int64 {
	switch effort {
	case "none":
		return 0
	case "minimal", "low":
		return 1024
	case "medium":
		return 8192
	case "high":
		return 16384
	case "xhigh", "max":
		return 24576
	}
	return -1
}

// BudgetEffort returns the effort that a thinking budget stands for; "" for a
// budget below 0.
func BudgetEffort(budget int64) string {
	switch {
	case budget < 0:
		return ""
	case budget == 0:
		return "none"
	case budget <= 1024:
		return "low"
	case budget <= 8192:
		return "medium"
	}
	return "high"
}
