#include <string.h>

#include "period.h"

const char *const bk_period_names[BK_PERIODS] = {
	"last", "hourly", "daily", "weekly", "monthly", "yearly"
};

enum bk_period
bk_mark_period(const char *word)
{
	int p;

	for (p = BK_HOURLY; p < BK_PERIODS; p++)
		if (strcmp(bk_period_names[p], word) == 0)
			return (enum bk_period)p;
	return BK_LAST;
}

bool
bk_marked(const struct bk_record *rec, enum bk_period p)
{
	json_t *list = json_object_get(rec->json, "marks"), *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) &&
		    bk_mark_period(json_string_value(v)) == p)
			return true;
	return false;
}
