/*
 * The words of bk that are more than the program bk-WORD: each is one file
 * and one row in the table of bk.c.
 */
#ifndef BK_VERB_H
#define BK_VERB_H

/*
 * Take the command line from the word on, bk_init first; returns the exit
 * status.
 */
typedef int bk_verb_fn(int argc, char **argv);

bk_verb_fn bk_verb_backup;
bk_verb_fn bk_verb_restore;

/*
 * Become bk-${word} of the directory of this program, else of PATH, with the
 * arguments behind argv[0], which is replaced.  Returns only where that fails:
 * a status, or it exits 64 for what is no word.
 */
int bk_verb_become(const char *word, char **argv);

#endif
