/*
 * signals.h - how a child of the supervisor hears of its end.
 */
#ifndef LOADED_SIGNALS_H
#define LOADED_SIGNALS_H

/*
 * Blocks every signal in this thread and those it will start; SIGTERM can be
 * read from the descriptor returned, which does not block.  -1 and errno.
 */
int signals_open(void);

#endif
